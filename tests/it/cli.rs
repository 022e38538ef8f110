//! The commands, as a user types them, on the real models.

use std::{fs, io::Write, path::Path, process::Stdio};

use crate::support::{complaint, data, figures, formant, formant_in, json_lines, output, root};

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn speak_writes_a_wav_that_is_as_its_figures_say() {
    let folder = tempfile::tempdir().unwrap();
    let (wav, png) = (path(&folder, "a.wav"), path(&folder, "mel.png"));
    let lines = json_lines(formant(&[
        "speak",
        "Dr. Smith paid $3.50 in 1995.",
        "-o",
        &wav,
        "--png",
        &png,
        "--json",
    ]));
    let last = lines.last().unwrap();
    let reader = hound::WavReader::open(&wav).unwrap();
    assert_eq!(reader.spec().sample_rate, 22_050);
    assert_eq!(u64::from(reader.duration()), last["n_samples"].as_u64().unwrap());
    let duration_secs = last["duration_secs"].as_f64().unwrap();
    assert!((duration_secs - f64::from(reader.duration()) / 22_050.0).abs() < 1e-6);
    assert!((2.0..8.0).contains(&duration_secs), "{duration_secs} s");
    assert!(last["rtf"].as_f64().unwrap() > 0.0);
    assert!(last["first_audio_ms"].as_f64().unwrap() <= last["total_ms"].as_f64().unwrap());
    assert!(last["phonemes"].as_array().unwrap().len() > 30);
    let sentence = lines.iter().find(|line| line["event"] == "sentence").unwrap();
    let normalized = sentence["normalized"].as_str().unwrap();
    for word in ["doctor", "three dollars", "fifty cents", "nineteen ninety"] {
        assert!(normalized.to_lowercase().contains(word), "{normalized}");
    }
    let frames: u64 = sentence["durations_frames"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(Some(frames), sentence["n_frames"].as_u64());
    let picture = image::open(&png).unwrap();
    assert_eq!((u64::from(picture.width()), picture.height()), (frames, 80));
    // A voice is neither silence nor noise at full scale.
    let samples: Vec<i16> =
        hound::WavReader::open(&wav).unwrap().samples().map(Result::unwrap).collect();
    let rms =
        (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt();
    assert!((500.0..12_000.0).contains(&rms), "RMS {rms}");
}

#[test]
fn the_same_request_gives_the_same_samples() {
    let folder = tempfile::tempdir().unwrap();
    for vocoder in ["hifigan", "griffin-lim"] {
        let wavs = ["1.wav", "2.wav"].map(|name| {
            let wav = path(&folder, name);
            figures(formant(&[
                "speak",
                "Twice the same.",
                "-o",
                &wav,
                "--vocoder",
                vocoder,
                "--seed",
                "4",
                "--json",
            ]));
            fs::read(wav).unwrap()
        });
        assert!(wavs[0] == wavs[1], "{vocoder} gives other samples the second time");
    }
}

#[test]
fn pace_changes_the_duration_and_pitch_the_pitch() {
    let folder = tempfile::tempdir().unwrap();
    let spoken = |options: &[&str]| {
        let wav = path(&folder, "a.wav");
        let mut arguments =
            vec!["speak", "The rain in Spain stays mainly in the plain.", "-o", &wav];
        arguments.extend_from_slice(options);
        arguments.push("--json");
        let lines = json_lines(formant(&arguments));
        let duration = lines.last().unwrap()["duration_secs"].as_f64().unwrap();
        let pitch = lines.iter().find(|line| line["event"] == "pitch").unwrap();
        let mut f0: Vec<f64> = pitch["f0_hz"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(serde_json::Value::as_f64)
            .filter(|&hz| hz > 0.0)
            .collect();
        f0.sort_by(f64::total_cmp);
        (duration, f0[f0.len() / 2])
    };
    let (plain, f0) = spoken(&[]);
    let (fast, _) = spoken(&["--pace", "2"]);
    let (_, high) = spoken(&["--pitch", "1.3"]);
    assert!((0.4..0.65).contains(&(fast / plain)), "{fast} s at twice the pace of {plain} s");
    assert!((1.12..1.45).contains(&(high / f0)), "{high} Hz is not 1.3 times {f0} Hz");
}

#[test]
fn another_voice_speaks_with_the_durations_of_a_text_grid() {
    let folder = tempfile::tempdir().unwrap();
    let grid = path(&folder, "first.TextGrid");
    let speak = |name: &str, text: &str, more: &[&str]| {
        let wav = path(&folder, name);
        let lines = json_lines(formant(&[&["speak", text, "-o", &wav, "--json"], more].concat()));
        let sentences = lines.iter().filter(|line| line["event"] == "sentence");
        let durations: Vec<_> = sentences.map(|line| line["durations_frames"].clone()).collect();
        (durations, lines.last().unwrap()["record"]["given"].clone())
    };
    let text = "The birch canoe slid. It sank, slowly!";
    let (first, given) = speak("a.wav", text, &["--textgrid", &grid]);
    assert!(first.len() == 2 && given.is_null());
    for voice in ["joe-matcha", "joe-fastspeech2"] {
        let more = ["--voice", voice, "--durations-from", &grid];
        let (again, given) = speak("b.wav", text, &more);
        assert_eq!(again, first, "{voice}");
        assert_eq!(given[0]["durations"], first[0], "the record would not make it again");
    }
    let wav = path(&folder, "c.wav");
    let refusal = complaint(
        formant(&["speak", "The birch canoe.", "-o", &wav, "--durations-from", &grid]),
        1,
    );
    assert!(refusal.contains("where the text has ended"), "{refusal}");
    let voice = ["speak", text, "-o", &wav, "--durations-from", &grid, "--voice", "joe-tacotron2"];
    let refusal = complaint(formant(&voice), 1);
    assert!(refusal.contains("its own durations"), "{refusal}");
}

#[test]
fn several_voices_speak_in_turn_each_to_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (wav, png) = (path(&folder, "take.wav"), path(&folder, "mel.png"));
    let voices = "joe-fastspeech2,joe-matcha";
    let speak = ["speak", "It sank.", "-o", &wav, "--png", &png, "--voice", voices];
    let said = formant(&[&speak[..], &["--steps", "2"]].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for voice in voices.split(',') {
        for name in [format!("take-{voice}.wav"), format!("mel-{voice}.png")] {
            assert!(Path::new(&path(&folder, &name)).exists(), "{name}");
            assert!(said.contains(&name), "{said}");
        }
    }
    assert!(!Path::new(&wav).exists());
    let refusal = complaint(formant(&[&speak[..], &["--gate-threshold", "0.4"]].concat()), 1);
    assert!(refusal.contains("none of joe-fastspeech2, joe-matcha heeds"), "{refusal}");
}

#[test]
fn words_are_said_by_the_users_dictionary_and_by_braces() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let wav = path(&folder, "a.wav");
    let dictionary = |arguments: &[&str]| formant_in(data, &[&["dictionary"], arguments].concat());
    let said = complaint(dictionary(&["add", "gif", "jh", "ih", "f"]), 1);
    assert!(said.contains("IH1 (primary)"), "{said}");
    assert!(output(dictionary(&["add", "GIF", "jh", "ih1", "f"])).status.success());
    let words = json_lines(dictionary(&["list", "--json"]));
    assert_eq!(words, [serde_json::json!({ "word": "gif", "phonemes": "JH IH1 F" })]);

    let text = "The GIF, {HH AY1} {so}, {HH AY}.";
    let last = figures(formant_in(data, &["speak", text, "-o", &wav, "--json"]));
    let phonemes: Vec<&str> =
        last["phonemes"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let phonemes = phonemes.join(" ");
    assert!(phonemes.starts_with("^ DH AH0   JH IH1 F ,   HH AY1   S OW1 ,   "), "{phonemes}");
    assert_eq!(last["record"]["pronunciations"], serde_json::json!({ "gif": "JH IH1 F" }));
    let warning = &last["warnings"][0];
    assert_eq!(warning["warning"], "not_arpabet", "{warning}");
    assert!(warning["told"][0].as_str().unwrap().contains("AY needs its stress"), "{warning}");

    assert!(output(dictionary(&["remove", "Gif"])).status.success());
    assert!(complaint(dictionary(&["remove", "gif"]), 1).contains("not in your dictionary"));
    fs::write(data.join("dictionary.txt"), "gif JIF\n").unwrap();
    let said = complaint(formant_in(data, &["speak", "Hi.", "-o", &wav]), 1);
    assert!(said.contains("line 1 of the dictionary") && said.contains("JIF"), "{said}");
}

#[test]
fn text_that_cannot_be_spoken_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let wav = path(&folder, "a.wav");
    for text in ["", "   ", "…!?", "🙂🙃", "שלום", "\u{202e}\u{200d}"] {
        let said = complaint(formant(&["speak", text, "-o", &wav]), 1);
        assert!(said.contains("speakable"), "{text:?}: {said}");
        assert!(!Path::new(&wav).exists());
    }
}

#[test]
fn what_can_be_spoken_of_mixed_text_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let wav = path(&folder, "a.wav");
    let last = figures(formant(&["speak", "Hello 🙂 שלום world 👋🏽!", "-o", &wav, "--json"]));
    assert_eq!(last["n_sentences"], 1);
}

#[test]
fn text_from_standard_input_is_spoken_sentence_by_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let wav = path(&folder, "a.wav");
    let mut command = formant(&["speak", "-", "-o", &wav, "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"One. Two is Mr. Two.\nThree?").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("\"sentence\"")).count(), 3, "{text}");
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["speak"][..],
        &["speak", "hi", "--pace", "9"],
        &["speak", "hi", "--steps", "0"],
        &["speak", "hi", "--gate-threshold", "1"],
        &["speak", "hi", "--window", "near"],
        &["chat", "--speculative", "magic"],
        &["chat", "--max-tokens", "0"],
        &["models"],
        &["sing"],
    ] {
        complaint(formant(arguments), 2);
    }
}

#[test]
fn what_a_voice_does_not_heed_is_refused_and_what_is_not_there_is_named() {
    let said = complaint(formant(&["speak", "hi", "-o", "a.wav", "--steps", "4"]), 1);
    assert!(said.contains("steps") && said.contains("pace, pitch, energy"), "{said}");
    let said = complaint(formant(&["speak", "hi", "-o", "a.wav", "--vocoder", "kazoo"]), 1);
    assert!(said.contains("kazoo") && said.contains("joe-hifigan"), "{said}");
    let said = complaint(formant(&["speak", "hi", "-o", "a.wav", "--voice", "joe-hifigan"]), 1);
    assert!(said.contains("no voice"), "{said}");
}

#[test]
fn a_path_that_cannot_be_written_is_named_before_anything_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "file");
    fs::write(&file, b"mine").unwrap();
    for target in [format!("{file}/a.wav"), folder.path().display().to_string()] {
        let said = complaint(formant(&["speak", "hi", "-o", &target]), 1);
        assert!(said.contains(&target), "{said}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_model_nobody_knows_is_answered_with_those_there_are() {
    let said = complaint(formant(&["speak", "hi", "-o", "a.wav", "--voice", "jane"]), 1);
    assert!(said.contains("jane") && said.contains("joe-fastspeech2"), "{said}");
    let said = complaint(formant(&["chat", "--prompt", "hi", "--model", "joe-hifigan"]), 1);
    assert!(said.contains("HiFi-GAN") && said.contains("Language model"), "{said}");
}

#[test]
fn a_model_that_is_not_here_is_answered_with_how_to_fetch_it() {
    let empty = tempfile::tempdir().unwrap();
    let said = complaint(formant_in(empty.path(), &["chat", "--prompt", "hi"]), 1);
    assert!(said.contains("formant models fetch smollm2-135m-instruct"), "{said}");
}

#[test]
fn a_truncated_model_is_damaged_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models/smollm2-135m-instruct");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("SmolLM2-135M-Instruct.Q4_1.gguf"), b"GGUF\x03\0\0\0").unwrap();
    let said = complaint(formant_in(folder.path(), &["chat", "--prompt", "hi"]), 1);
    assert!(said.contains("8 bytes") && said.contains("models fetch"), "{said}");
}

#[test]
fn bundled_models_are_what_their_cards_say() {
    let lines = json_lines(formant(&["models", "verify", "--json"]));
    let folders = fs::read_dir(root().join("models")).unwrap();
    let is_model = |folder: &fs::DirEntry| folder.path().join("model.toml").is_file();
    let n_bundled = folders.filter(|folder| is_model(folder.as_ref().unwrap())).count();
    // And the language model, which is fetched.
    assert_eq!(lines.len(), n_bundled + 1, "{lines:?}");
    for line in lines {
        assert_eq!(line["ok"], true, "{line}");
    }
    let models = json_lines(formant(&["models", "list", "--json"]));
    for id in [
        "joe-fastspeech2",
        "joe-matcha",
        "joe-hifigan",
        "joe-wavenet",
        "g2p-en",
        "smollm2-135m-instruct",
    ] {
        let model = models.iter().find(|model| model["id"] == id).unwrap();
        assert_eq!(model["state"], "ready", "{model}");
        assert!(!model["licence"].as_str().unwrap().is_empty());
    }
    assert_eq!(output(formant(&["models", "info", "joe-fastspeech2"])).status.code(), Some(0));
}

#[test]
fn broken_settings_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.toml"), "[speak]\nseed = \"many\"\n").unwrap();
    let said = complaint(formant_in(folder.path(), &["models", "list"]), 1);
    assert!(said.contains("line 2") && said.contains("settings.toml"), "{said}");
}

#[test]
fn a_prompt_is_answered_with_all_figures() {
    let lines = json_lines(formant(&[
        "chat",
        "--prompt",
        // A reply without near-ties: on another processor, or with other kernels, it is the same.
        "Name the capital of France.",
        "--temperature",
        "0",
        "--max-tokens",
        "24",
        "--json",
    ]));
    let last = lines.last().unwrap();
    assert!(last["text"].as_str().unwrap().contains("Paris"), "{last}");
    let n_tokens = last["token_ids"].as_array().unwrap().len();
    assert_eq!(last["completion_tokens"], n_tokens);
    let streamed: String = lines
        .iter()
        .filter(|line| line["event"] == "step")
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert!(last["text"].as_str().unwrap().starts_with(&streamed));
    for figure in ["ttft_ms", "tpot_ms", "total_ms", "prompt_tokens", "tokens_per_sec"] {
        assert!(last[figure].as_f64().unwrap() > 0.0, "{figure} in {last}");
    }
    assert!(["stop", "length"].contains(&last["finish_reason"].as_str().unwrap()));
}

#[test]
fn tokens_tell_how_likely_they_were_when_asked() {
    let ask = |speculative: &str| {
        let lines = json_lines(formant(&[
            "chat",
            "--prompt",
            "Repeat this: one two three, one two three, one two three, one two three.",
            "--temperature",
            "0",
            "--max-tokens",
            "24",
            "--speculative",
            speculative,
            "--logprobs",
            "2",
            "--json",
        ]));
        let steps = lines.into_iter().filter(|line| line["event"] == "step");
        steps.flat_map(|mut step| step["tokens"].as_array_mut().unwrap().split_off(0)).collect()
    };
    let [plain, drafted]: [Vec<serde_json::Value>; 2] = ["none", "ngram"].map(ask);
    for token in &plain {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 2);
        // Greedy: each token is the likeliest in its place.
        assert_eq!((&top[0]["id"], &top[0]["logprob"]), (&token["id"], &token["logprob"]));
        assert!(token["logprob"].as_f64().unwrap() <= 0.0, "{token}");
    }
    let origins = |tokens: &[serde_json::Value], origin: &str| {
        tokens.iter().filter(|token| token["origin"] == origin).count()
    };
    assert_eq!(origins(&plain, "sampled"), plain.len());
    assert!(origins(&drafted, "drafted") > 0, "{drafted:?}");
    let figures = |tokens: Vec<serde_json::Value>| -> Vec<_> {
        let figures =
            |token: serde_json::Value| (token["logprob"].clone(), token["top_logprobs"].clone());
        tokens.into_iter().map(figures).collect()
    };
    assert_eq!(figures(plain), figures(drafted));
}

#[test]
fn speculation_changes_no_word_of_a_reply() {
    let prompt =
        "Repeat this: the cat sat on the mat, the cat sat on the mat, the cat sat on the hat.";
    for temperature in ["0", "0.8"] {
        let [plain, ngram] = ["none", "ngram"].map(|method| {
            figures(formant(&[
                "chat",
                "--prompt",
                prompt,
                "--temperature",
                temperature,
                "--seed",
                "11",
                "--max-tokens",
                "40",
                "--speculative",
                method,
                "--json",
            ]))
        });
        assert_eq!(plain["token_ids"], ngram["token_ids"], "at temperature {temperature}");
        assert_eq!(plain["drafts"], 0);
        assert!(ngram["accepted_tokens"].as_u64() <= ngram["draft_tokens"].as_u64());
        if temperature == "0" {
            assert!(ngram["accepted_tokens"].as_u64().unwrap() > 0, "{ngram}");
        }
    }
}

#[test]
fn ways_to_speculate_are_compared_on_one_prompt() {
    let last = figures(formant(&[
        "compare",
        "--prompt",
        "Repeat this: the cat sat on the mat, the cat sat on the mat, the cat sat on the hat.",
        "--methods",
        "ngram,pld,adaptive",
        "--repeats",
        "2",
        "--max-tokens",
        "24",
        "--json",
    ]));
    let methods = last["methods"].as_array().unwrap();
    let labels: Vec<_> = methods.iter().map(|method| method["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["off", "n-gram", "PLD", "adaptive"]);
    for method in methods {
        assert_eq!(method["sameness"]["verdict"], "identical", "{method}");
        assert_eq!(method["text"], methods[0]["text"]);
        assert!(method["tokens_per_cpu_sec"]["median"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(methods[0]["speed_up_cpu"]["median"], 1.0);
    assert!(methods[2]["counts"]["drafts"].as_u64().unwrap() > 0, "{last}");
}

#[test]
fn a_method_without_what_it_needs_says_what_that_is() {
    for (method, missing) in [("retrieval", "--document"), ("draft", "--draft-model")] {
        let asked = formant(&["chat", "--prompt", "Hi", "--speculative", method]).output().unwrap();
        assert!(!asked.status.success());
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(said.contains(missing), "{said}");
    }
}

#[test]
fn a_conversation_remembers_its_turns() {
    let mut command = formant(&["chat", "--temperature", "0", "--max-tokens", "24", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"My name is Ada. Say hello.\nWhat is my name?\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let replies: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["event"] == "done")
        .collect();
    assert_eq!(replies.len(), 2);
    // The second prompt holds the first turn, its reply and the new question.
    let tokens = |turn: usize, figure: &str| replies[turn][figure].as_u64().unwrap();
    let first = tokens(0, "prompt_tokens") + tokens(0, "completion_tokens");
    assert!(tokens(1, "prompt_tokens") > first, "{}", replies[1]);
    // The first turn is still in the cache when the second is read.
    assert!(replies[1]["reused_tokens"].as_u64().unwrap() > 20, "{}", replies[1]);
}

#[test]
fn without_a_display_the_window_says_so() {
    let said = complaint(formant(&[]), 1);
    assert!(said.contains("display") && said.contains("formant speak"), "{said}");
}

#[test]
fn the_list_of_devices_is_there_with_or_without_a_sound_card() {
    assert!(data().is_dir());
    assert_eq!(output(formant(&["devices"])).status.code(), Some(0));
    json_lines(formant(&["devices", "--json"]));
}

#[test]
fn a_model_of_the_user_s_own_is_imported_chatted_with_and_removed() {
    let data = tempfile::tempdir().unwrap();
    let original = root().join("tests/fixtures/lm/tiny-llama3");
    let run = |arguments: &[&str]| formant_in(data.path(), arguments);
    let imported = figures(run(&["models", "import", &original.display().to_string(), "--json"]));
    assert_eq!(imported["model"]["id"], "tiny-llama3");
    assert_eq!(imported["model"]["language_model"]["head_dim"], 128);
    assert_eq!(imported["model"]["language_model"]["has_chat_template"], true);
    let copy = data.path().join("models/tiny-llama3");
    for file in fs::read_dir(&copy).unwrap().map(|file| file.unwrap().file_name()) {
        if file != "model.toml" {
            assert!(fs::read(copy.join(&file)).unwrap() == fs::read(original.join(&file)).unwrap());
        }
    }
    let lines = json_lines(run(&["models", "verify", "tiny-llama3", "--json"]));
    assert_eq!(lines[0]["ok"], true);

    let reply = figures(run(&[
        "chat",
        "--model",
        "tiny-llama3",
        "--prompt",
        "the sea",
        "--temperature",
        "0",
        "--max-tokens",
        "8",
        "--json",
    ]));
    assert_eq!(reply["context_length"], 512);
    assert!(reply["prompt_tokens"].as_u64().unwrap() > 4, "{reply}");

    assert!(output(run(&["models", "remove", "tiny-llama3"])).status.success());
    assert!(!copy.exists() && original.join("config.json").is_file());
    let said = complaint(run(&["models", "info", "tiny-llama3"]), 1);
    assert!(said.contains("no model called"), "{said}");
}

#[test]
fn a_voice_and_a_vocoder_of_the_user_s_own_speak() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let run = |arguments: &[&str]| formant_in(&data, arguments);
    let fixture = |name: &str| root().join("tests/fixtures/tts").join(name).display().to_string();
    let (voice, vocoder) =
        (fixture("matcha/model.safetensors"), fixture("hifigan/model.safetensors"));
    let lines = json_lines(run(&["models", "import", &voice, &vocoder, "--json"]));
    let imported: Vec<&serde_json::Value> =
        lines.iter().filter(|line| line["event"] == "done").map(|line| &line["model"]).collect();
    let [voice, vocoder] = imported[..] else { panic!("two models: {lines:?}") };
    assert_eq!(voice["kind"], "matcha");
    assert_eq!(vocoder["speech_model"]["architecture"], "HiFi-GAN V2");
    let (voice, vocoder) = (voice["id"].as_str().unwrap(), vocoder["id"].as_str().unwrap());

    let speak = |wav: &str, seed: &str| {
        let wav = path(&folder, wav);
        let mut arguments = vec!["speak", "Hello, world", "-o", &wav, "--json", "--voice", voice];
        arguments.extend(["--vocoder", vocoder, "--steps", "2", "--length-scale", "0.5"]);
        arguments.extend(["--temperature", "0.5", "--seed", seed]);
        let figures = figures(run(&arguments));
        assert_eq!(figures["record"]["options"]["steps"], 2);
        assert!(figures["n_samples"].as_u64().unwrap() > 2_000, "{figures}");
        fs::read(wav).unwrap()
    };
    let first = speak("1.wav", "1");
    assert!(first == speak("2.wav", "1"), "the same seed gives another sound");
    assert!(first != speak("3.wav", "2"), "another seed gives the same sound");
    let said = complaint(run(&["speak", "hi", "-o", "a.wav", "--voice", voice, "--pitch", "2"]), 1);
    assert!(said.contains("does not heed pitch") && said.contains("length scale"), "{said}");

    let part = fixture("checkpoints/hifigan_generator_legacy.pth");
    let said = complaint(run(&["models", "import", &part]), 1);
    assert!(said.contains("ups.0.weight is missing") && said.contains(&part), "{said}");
}

#[test]
fn what_cannot_be_imported_is_refused_with_the_reason_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = |path: &Path, why: &str| {
        let path = path.display().to_string();
        let said = complaint(formant_in(&data, &["models", "import", &path]), 1);
        assert!(said.contains(why) && said.contains(&path), "{said}");
        assert!(said.matches("os error").count() <= 1, "a cause is said once: {said}");
        let left = fs::read_dir(data.join("models")).into_iter().flatten().count();
        assert_eq!(left, 0, "something is left");
    };
    refused(&folder.path().join("none.gguf"), "cannot read the model");
    let text = folder.path().join("text.gguf");
    fs::write(&text, "not a model").unwrap();
    refused(&text, "neither a GGUF file nor a folder");
    let half = folder.path().join("half");
    fs::create_dir(&half).unwrap();
    let fixture = root().join("tests/fixtures/lm/tiny-llama3/config.json");
    fs::copy(fixture, half.join("config.json")).unwrap();
    refused(&half, "its file model.safetensors is missing");
    let said = complaint(formant_in(&data, &["models", "remove", "joe-hifigan"]), 1);
    assert!(said.contains("comes with Formant"), "{said}");
}
