//! `formant speak`: text to a WAV file, or to the sound card.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use super::{
    args::Speak,
    output::{Bar, json_line, millis},
    run::Setting,
};
use crate::{
    audio::write_wav,
    domain::{Control, MelSpectrogram, PhoneTiming, SpokenSpan, TextGrid},
    dsp,
    engine::{Client, SpeakEvent, SpeakRequest, Speech, SpokenSentence},
    files,
};

pub(super) fn run(setting: &Setting, args: &Speak) -> Result<()> {
    let voices = voices(setting, args);
    check_heeded(setting, args, &voices)?;
    let requests = requests(setting, args, &voices)?;
    let turns: Vec<(SpeakRequest, Targets)> = requests
        .into_iter()
        .map(|request| {
            let of_voice = (voices.len() > 1).then_some(request.voice.as_str());
            let targets = Targets::of(args, of_voice);
            (request, targets)
        })
        .collect();
    // A path that cannot be written should not cost the time of speaking first.
    for path in turns.iter().flat_map(|(_, targets)| targets.all()) {
        check_writable(path)?;
    }
    let engine = setting.engine(None)?;
    for (request, targets) in turns {
        let voice = request.voice.clone();
        let spoken = speak(setting, &engine, request, &targets, args.json);
        if voices.len() > 1 {
            spoken.with_context(|| format!("{voice} does not speak"))?;
        } else {
            spoken?;
        }
    }
    Ok(())
}

/// What one voice writes.
struct Targets {
    output: Option<PathBuf>,
    png: Option<PathBuf>,
    textgrid: Option<PathBuf>,
}

impl Targets {
    /// The files that were asked for; of one voice of several, each with its name at the end.
    fn of(args: &Speak, voice: Option<&str>) -> Self {
        let named = |path: &Option<PathBuf>| {
            path.as_ref().map(|path| match voice {
                Some(voice) => path_of_voice(path, voice),
                None => path.clone(),
            })
        };
        Self { output: named(&args.output), png: named(&args.png), textgrid: named(&args.textgrid) }
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.output.iter().chain(&self.png).chain(&self.textgrid)
    }
}

/// `take.wav` becomes `take-joe-matcha.wav`.
fn path_of_voice(path: &Path, voice: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-");
    name.push(voice);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Has one voice speak, and hands over what it says.
fn speak(
    setting: &Setting,
    engine: &Client,
    request: SpeakRequest,
    targets: &Targets,
    as_json: bool,
) -> Result<()> {
    let mut sound = Sound::new(setting, targets.output.is_none());
    let mut bar = Bar::new();
    let mut sentences: Vec<Arc<SpokenSentence>> = Vec::new();
    // An hour's mel is a hundred megabytes.
    let keeps_sentences = as_json || targets.png.is_some() || targets.textgrid.is_some();
    let mut unread = None;
    let speech = engine.speak(request).wait(|event| {
        if as_json && let Err(error) = print_event(&event) {
            unread.get_or_insert(error);
        }
        match event {
            SpeakEvent::Progress(progress) if !as_json => bar.show(&progress),
            SpeakEvent::Sentence(sentence) if sentence.is_whole && keeps_sentences => {
                sentences.push(sentence);
            }
            SpeakEvent::Samples { sample_rate, samples } => sound.push(sample_rate, &samples),
            _ => (),
        }
    });
    bar.clear();
    let speech = speech.context("the engine ended before the speech did; start it again")??;
    if let Some(error) = unread {
        return Err(error.into());
    }
    if let Some(path) = &targets.output {
        write_wav(path, &speech.waveform, Some(&speech.record))?;
    }
    if let Some(path) = &targets.png {
        write_png(path, &sentences)?;
    }
    if let Some(path) = &targets.textgrid {
        write_text_grid(path, &sentences, speech.waveform.duration_secs())?;
    }
    sound.finish()?;
    for warning in speech.warnings.iter().filter(|_| !as_json) {
        eprintln!("warning: {warning}");
    }
    if as_json {
        print_figures(&speech, &sentences, targets)?;
    } else {
        say(&speech, targets);
    }
    Ok(())
}

/// The voices that speak, in turn: those that were named, or the one of the settings.
fn voices(setting: &Setting, args: &Speak) -> Vec<String> {
    if args.voice.is_empty() {
        vec![setting.settings.speak.voice.clone()]
    } else {
        args.voice.clone()
    }
}

/// What each voice is asked for: the same text, led in the same way.
fn requests(setting: &Setting, args: &Speak, voices: &[String]) -> Result<Vec<SpeakRequest>> {
    let chosen = &setting.settings.speak;
    let mut controls = chosen.controls;
    controls.pace = args.pace.unwrap_or(controls.pace);
    controls.pitch = args.pitch.unwrap_or(controls.pitch);
    controls.energy = args.energy.unwrap_or(controls.energy);
    let mut options = chosen.options;
    options.steps = args.steps.unwrap_or(options.steps);
    options.temperature = args.temperature.unwrap_or(options.temperature);
    options.length_scale = args.length_scale.unwrap_or(options.length_scale);
    options.durations = args.durations.map_or(options.durations, Into::into);
    options.gate_threshold = args.gate_threshold.unwrap_or(options.gate_threshold);
    options.window = args.window.unwrap_or(options.window);
    let text = text_or_stdin(&args.text)?;
    let timing = args.durations_from.as_deref().map(read_timing).transpose()?;
    let request = |voice: &String| SpeakRequest {
        text: text.clone(),
        voice: voice.clone(),
        vocoder: args.vocoder.clone().map_or_else(|| chosen.vocoder.clone(), Into::into),
        controls,
        options,
        given: Vec::new(),
        timing: timing.clone(),
        pronunciations: None,
        seed: args.seed.unwrap_or(chosen.seed),
    };
    Ok(voices.iter().map(request).collect())
}

/// Refuses what was typed and would change nothing with any of the voices.
fn check_heeded(setting: &Setting, args: &Speak, voices: &[String]) -> Result<()> {
    let typed = [
        (Control::Pace, args.pace.is_some()),
        (Control::Pitch, args.pitch.is_some()),
        (Control::Energy, args.energy.is_some()),
        (Control::Steps, args.steps.is_some()),
        (Control::Temperature, args.temperature.is_some()),
        (Control::LengthScale, args.length_scale.is_some()),
        (Control::Durations, args.durations.is_some()),
        (Control::GateThreshold, args.gate_threshold.is_some()),
        (Control::Window, args.window.is_some()),
    ];
    // A voice that is not there is the engine's to complain about.
    let Ok(models) =
        voices.iter().map(|voice| setting.library.find(voice)).collect::<Result<Vec<_>, _>>()
    else {
        return Ok(());
    };
    let Some(model) = models.first().filter(|_| models.iter().all(|it| it.kind.is_voice())) else {
        return Ok(());
    };
    let is_heeded = |control| models.iter().any(|it| it.kind.controls().contains(&control));
    let Some((control, _)) =
        typed.into_iter().find(|(control, typed)| *typed && !is_heeded(*control))
    else {
        return Ok(());
    };
    if models.len() > 1 {
        bail!("none of {} heeds {}", voices.join(", "), control.label());
    }
    let heeded: Vec<&str> = model.kind.controls().iter().map(|control| control.label()).collect();
    bail!(
        "{} does not heed {}, since it is a {} voice; it heeds {}",
        voices[0],
        control.label(),
        model.kind.label(),
        heeded.join(", ")
    )
}

/// The text itself, or all of standard input for "-".
pub(super) fn text_or_stdin(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = Vec::new();
    std::io::stdin().read_to_end(&mut read).context("cannot read standard input")?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        bail!("cannot write the file, there is a folder of that name: {}", path.display());
    }
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile_in(folder))
        .with_context(|| format!("cannot write there; choose another folder: {}", path.display()))
}

/// Tries the folder with a file that is gone at once.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".formant-{}", std::process::id()));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}

/// The whole mel as a picture, in the colours that the user chose for the window.
fn write_png(path: &Path, sentences: &[Arc<SpokenSentence>]) -> Result<()> {
    let Some(first) = sentences.first() else { return Ok(()) };
    let mut mel = MelSpectrogram::empty(first.mel.config.clone());
    for sentence in sentences {
        mel.frames.extend_from_slice(&sentence.mel.frames);
    }
    let picture = dsp::mel_picture(&mel, dsp::ColorMap::Magma);
    let png = picture.png().context("the mel cannot be made a picture")?;
    files::write_atomically(path, &png).map_err(|error| {
        let advice = files::advice(&error);
        anyhow!("cannot write the picture ({error}){advice}: {}", path.display())
    })
}

/// The phones of a TextGrid and their times.
fn read_timing(path: &Path) -> Result<PhoneTiming> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the TextGrid: {}", path.display()))?;
    let timing = TextGrid::read(&bytes).map_err(anyhow::Error::from);
    let timing = timing.and_then(|grid| Ok(PhoneTiming::of(grid)?));
    timing.with_context(|| format!("cannot take durations from the file: {}", path.display()))
}

fn write_text_grid(path: &Path, sentences: &[Arc<SpokenSentence>], end_secs: f64) -> Result<()> {
    let mut start_secs = 0.0;
    let spans: Vec<SpokenSpan<'_>> = sentences
        .iter()
        .map(|sentence| {
            let frame_secs = sentence.mel.config.frame_secs();
            let span = SpokenSpan {
                start_secs,
                frame_secs,
                phonemes: &sentence.phonemes,
                alignment: &sentence.alignment,
            };
            start_secs += sentence.mel.n_frames() as f64 * frame_secs;
            span
        })
        .collect();
    let text = TextGrid::of_speech(&spans, end_secs).to_long_text();
    files::write_atomically(path, text.as_bytes()).map_err(|error| {
        let advice = files::advice(&error);
        anyhow!("cannot write the TextGrid ({error}){advice}: {}", path.display())
    })
}

fn print_event(event: &SpeakEvent) -> std::io::Result<()> {
    let line = match event {
        SpeakEvent::Progress(progress) => json!({ "event": "progress", "progress": progress }),
        // Of a sentence that grows, its end is told.
        SpeakEvent::Sentence(sentence) if !sentence.is_whole => return Ok(()),
        SpeakEvent::Sentence(sentence) => json!({
            "event": "sentence",
            "sentence_idx": sentence.sentence_idx,
            "n_sentences": sentence.n_sentences,
            "normalized": sentence.phonemes.normalized,
            "phonemes": symbols(sentence),
            "durations_frames": sentence.alignment.durations,
            "n_frames": sentence.mel.n_frames(),
            "attention": sentence.attention,
        }),
        SpeakEvent::Samples { sample_rate, samples } => {
            json!({ "event": "samples", "sample_rate": sample_rate, "n_samples": samples.len() })
        }
        SpeakEvent::Pitch { sentence_idx, f0_hz } => {
            json!({ "event": "pitch", "sentence_idx": sentence_idx, "f0_hz": f0_hz })
        }
    };
    json_line(&line)
}

fn symbols(sentence: &SpokenSentence) -> Vec<&str> {
    sentence.phonemes.phonemes.iter().map(|phoneme| phoneme.symbol.as_str()).collect()
}

fn print_figures(
    speech: &Speech,
    sentences: &[Arc<SpokenSentence>],
    targets: &Targets,
) -> Result<()> {
    let timing = &speech.timing;
    let phonemes: Vec<&str> = sentences.iter().flat_map(|sentence| symbols(sentence)).collect();
    json_line(&json!({
        "event": "done",
        "output": targets.output,
        "phonemes": phonemes,
        "n_phonemes": speech.n_phonemes,
        "n_sentences": speech.n_sentences,
        "warnings": speech.warnings,
        "duration_secs": speech.waveform.duration_secs(),
        "sample_rate": speech.waveform.sample_rate,
        "n_samples": speech.waveform.samples.len(),
        "rtf": timing.rtf(&speech.waveform),
        "first_audio_ms": millis(timing.first_audio),
        "load_ms": millis(timing.load),
        "front_end_ms": millis(timing.front_end),
        "acoustic_ms": millis(timing.acoustic),
        "vocoder_ms": millis(timing.vocoder),
        "total_ms": millis(timing.total),
        "record": speech.record,
    }))?;
    Ok(())
}

fn say(speech: &Speech, targets: &Targets) {
    let (timing, duration) = (&speech.timing, speech.waveform.duration_secs());
    let rtf = timing.rtf(&speech.waveform).unwrap_or_default();
    let first = millis(timing.first_audio);
    let place =
        targets.output.as_ref().map_or("played".to_owned(), |path| path.display().to_string());
    println!("{place}: {duration:.2} s of speech, RTF {rtf:.3}, first audio after {first:.0} ms");
    if let Some(png) = &targets.png {
        println!("{}: the mel spectrogram", png.display());
    }
    if let Some(path) = &targets.textgrid {
        println!("{}: words and phones", path.display());
    }
}

/// Plays while it is made, if it is to be played at all.
#[cfg(feature = "audio")]
struct Sound(Option<(crate::audio::Player, Option<crate::audio::SoundId>)>);

#[cfg(feature = "audio")]
impl Sound {
    fn new(setting: &Setting, aloud: bool) -> Self {
        let device = &setting.settings.audio.device;
        Self(aloud.then(|| (crate::audio::Player::new(device, Arc::new(|| ())), None)))
    }

    fn push(&mut self, sample_rate: u32, samples: &[f32]) {
        let Some((player, stream)) = &mut self.0 else { return };
        let stream = *stream.get_or_insert_with(|| player.begin_stream(sample_rate));
        player.push(stream, samples);
    }

    /// Waits for the last sample to be heard.
    fn finish(self) -> Result<()> {
        let Some((mut player, Some(stream))) = self.0 else { return Ok(()) };
        player.end_stream(stream);
        while player.fate(stream) == crate::audio::Fate::Playing {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        match player.problem() {
            Some(problem) => bail!("{problem}; `-o FILE` writes the speech to a file"),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "audio"))]
struct Sound {
    aloud: bool,
}

#[cfg(not(feature = "audio"))]
impl Sound {
    fn new(_setting: &Setting, aloud: bool) -> Self {
        Self { aloud }
    }

    #[expect(clippy::unused_self, reason = "stands in for the build that has sound")]
    fn push(&mut self, _sample_rate: u32, _samples: &[f32]) {}

    fn finish(self) -> Result<()> {
        if self.aloud {
            bail!("this build has no sound; `-o FILE` writes the speech to a file");
        }
        Ok(())
    }
}
