//! Golden tests: the models against the numbers of their reference implementations.
//!
//! Everything is held to 1e-4 (of the value, where that is above one), but for G2P where a folder
//! brings no weights of its own: the bundled ones are stored in 16 bits.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::fixture::{Fixture, TOLERANCE, assert_close, fixtures};
use formant::{
    domain::{MelConfig, MelConvention, MelSpectrogram},
    dsp::{Complex, GriffinLim, MelFilterBank, Phase, Spectrum, Stft, mel_energy, mel_spectrogram},
    nn::{Features, Padding, Weights},
    tts::{
        AcousticModel, FrontEnd, G2p,
        acoustic::fastspeech2::{Heads, Network, frames},
        load_fastspeech2, load_hifigan, load_vocoder,
        vocoder::{Generator, GeneratorConfig},
    },
};

/// The same where weights were rounded to 16 bits on one side only.
const HALF_PRECISION_TOLERANCE: f32 = 2e-2;
/// The same for the bundled vocoder, whose hundred-thousand-fold sums torch adds in another order.
const BUNDLED_WAVE_TOLERANCE: f32 = 1e-3;

#[test]
fn golden_fastspeech2() {
    for fixture in fixtures("fastspeech2") {
        let heads = |key| fixture.count(key).unwrap_or(2);
        let heads = Heads { encoder: heads("enc_num_head"), decoder: heads("dec_num_head") };
        let weights = fixture.weights();
        let network = Network::load(&weights.scope(""), heads).unwrap();
        for tag in fixture.tags(".log_durations") {
            // In a padded batch SpeechBrain hands each head the mask of another item, so that no
            // item is what it is alone; one utterance at a time has no such thing to reproduce.
            if fixture.tensor(&format!("{tag}.tokens")).dim(0).unwrap() == 1 {
                check_free_running(&fixture, &network, &tag);
            }
        }
        if fixture.has("tf.durations") {
            check_teacher_forced(&fixture, &network);
        }
        if fixture.has("spn.logits") {
            let ends_word = fixture.values("spn.last_phonemes");
            let logits = network.silence_logits(&fixture.ids("spn.tokens"), &ends_word).unwrap();
            fixture.check("spn.logits", &logits);
        }
    }
}

/// Everything predicted; the rates act on normalized values, as in SpeechBrain.
fn check_free_running(fixture: &Fixture, network: &Network, tag: &str) {
    // The generator wrote its rates nowhere but in its source.
    let generated = if tag == "pace" { [1.37, 1.2, 0.8] } else { [1.0; 3] };
    let rate = |name: &str, default| fixture.number(&format!("{tag}.{name}")).unwrap_or(default);
    let pace = rate("pace", generated[0]);
    let (pitch_rate, energy_rate) =
        (rate("pitch_rate", generated[1]), rate("energy_rate", generated[2]));
    let name = |what: &str| format!("{tag}.{what}");

    let mut hidden = network.encode(&fixture.ids(&name("tokens")));
    fixture.check(&name("encoder_out"), &hidden.to_columns());
    let log_durations = network.log_durations(&hidden);
    fixture.check(&name("log_durations"), &log_durations);
    let durations: Vec<u32> = log_durations.iter().map(|&d| frames(d, pace)).collect();
    let as_floats: Vec<f32> = durations.iter().map(|&frames| frames as f32).collect();
    fixture.check(&name("durations_frames"), &as_floats);

    let pitch: Vec<f32> = network.pitch(&hidden).iter().map(|pitch| pitch * pitch_rate).collect();
    fixture.check(&name("pitch"), &pitch);
    network.add_pitch(&mut hidden, &pitch);
    let energy: Vec<f32> =
        network.energy(&hidden).iter().map(|energy| energy * energy_rate).collect();
    fixture.check(&name("energy"), &energy);
    network.add_energy(&mut hidden, &energy);

    let decoded = network.decode(&hidden, &durations);
    fixture.check(&name("decoder_out"), &decoded.to_columns());
    let mel = network.mel_before_postnet(&decoded);
    fixture.check(&name("mel_pre"), &mel.to_columns());
    fixture.check(&name("mel_post"), &network.mel(&mel).to_columns());
}

/// Durations, pitch and energy given per frame.
fn check_teacher_forced(fixture: &Fixture, network: &Network) {
    let durations = fixture.ids("tf.durations");
    let pitch = average(&fixture.values("tf.pitch_frames"), &durations);
    let energy = average(&fixture.values("tf.energy_frames"), &durations);
    fixture.check("tf.avg_pitch", &pitch);
    fixture.check("tf.avg_energy", &energy);
    // The recording did not keep its own tokens; they are those of the first case.
    let tokens = if fixture.has("tf.tokens") { "tf.tokens" } else { "single.tokens" };
    let mut hidden = network.encode(&fixture.ids(tokens));
    network.add_pitch(&mut hidden, &pitch);
    network.add_energy(&mut hidden, &energy);
    let mel = network.mel_before_postnet(&network.decode(&hidden, &durations));
    fixture.check("tf.mel_pre", &mel.to_columns());
    fixture.check("tf.mel_post", &network.mel(&mel).to_columns());
}

/// The mean over each phoneme's frames, those of zero left out.
fn average(frames: &[f32], durations: &[u32]) -> Vec<f32> {
    let mut rest = frames;
    durations
        .iter()
        .map(|&n_frames| {
            let (own, later) = rest.split_at(n_frames as usize);
            rest = later;
            let n = own.iter().filter(|&&value| value != 0.0).count();
            own.iter().sum::<f32>() / n.max(1) as f32
        })
        .collect()
}

#[test]
fn golden_hifigan() {
    for fixture in fixtures("hifigan") {
        let weights = fixture.weights();
        let generator = |padding| {
            let config = GeneratorConfig {
                upsample_rates: fixture.counts("upsample_factors"),
                resblock_dilations: fixture.dilations("resblock_dilation_sizes"),
                padding,
            };
            Generator::load(&weights.scope(""), &config).unwrap()
        };
        let (zero, reflect) = (generator(Padding::Zero), generator(Padding::Reflect));
        let mel = fixture.features("mel");
        let wave = zero.forward(&mel);
        fixture.check("jk.wav", &wave);
        fixture.check("sb.wav_nopad", &reflect.forward(&mel));
        let n_repeated = fixture.count("inference_padding").unwrap_or(5);
        let first = std::iter::repeat_n(0, n_repeated);
        let last = std::iter::repeat_n(mel.len - 1, n_repeated);
        let columns: Vec<usize> = first.chain(0..mel.len).chain(last).collect();
        fixture.check("sb.wav", &reflect.forward(&mel.select(&columns)));
        for name in fixture.io.keys().filter_map(|key| key.strip_prefix("folded.")) {
            let folded = weights.scope("").folded(name, &[None; 3]).unwrap();
            fixture.check(&format!("folded.{name}"), &folded.values);
        }
        if fixture.has("denoiser.bias_spec") {
            check_denoiser(&fixture, &zero, &wave);
        }
        check_pieces(&fixture, &zero, &mel, &wave);
        check_pieces(&fixture, &reflect, &mel, &reflect.forward(&mel));
    }
}

/// The generator's own hum, taken from every spectrum: Matcha-TTS's denoiser.
fn check_denoiser(fixture: &Fixture, generator: &Generator, wave: &[f32]) {
    let stft = Stft::new(1024, 256, 1024);
    let silence = generator.forward(&Features::zeros(generator.n_mels(), 88));
    let hum: Vec<f32> =
        stft.centred(&silence).bins[..stft.n_bins()].iter().map(|bin| bin.norm()).collect();
    fixture.check("denoiser.bias_spec", &hum);
    let clamped: Vec<f32> = wave.iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    for name in fixture.io.keys().filter(|key| key.starts_with("denoiser.out_strength_")) {
        let strength: f32 = name.rsplit('_').next().unwrap().parse().unwrap();
        let mut spectrum = stft.centred(&clamped);
        for frame in spectrum.bins.chunks_exact_mut(stft.n_bins()) {
            for (bin, hum) in frame.iter_mut().zip(&hum) {
                let loudness = bin.norm();
                *bin *= (loudness - strength * hum).max(0.0) / loudness.max(f32::MIN_POSITIVE);
            }
        }
        fixture.check(name, &stft.inverse(&spectrum));
    }
}

/// Any cut gives the same sound.
fn check_pieces(fixture: &Fixture, generator: &Generator, mel: &Features, whole: &[f32]) {
    if !generator.has_even_borders() {
        return;
    }
    for step in [1, 5, 7] {
        let pieces: Vec<f32> = (0..mel.len)
            .step_by(step)
            .flat_map(|start| generator.stretch(mel, start..(start + step).min(mel.len)))
            .collect();
        assert_close(
            &format!("{} in pieces of {step}", fixture.folder.display()),
            &pieces,
            whole,
            TOLERANCE,
        );
    }
}

#[test]
fn golden_dsp() {
    for fixture in fixtures("dsp") {
        let n_bins = fixture.tensor("stft_abs").dim(0).unwrap();
        let n_mels = fixture.tensor("mel_hifigan").dim(0).unwrap();
        // The inverse has as many samples as there are hops between the frames.
        let n_hops = fixture.tensor("stft_abs").dim(1).unwrap() - 1;
        let hop_length = fixture.values("istft").len() / n_hops;
        let config = |convention| MelConfig {
            sample_rate: fixture.count("sr").unwrap_or(22_050) as u32,
            n_fft: 2 * (n_bins - 1),
            hop_length,
            win_length: fixture.count("win_length").unwrap_or(2 * (n_bins - 1)),
            n_mels,
            f_min: fixture.number("f_min").unwrap_or(0.0).into(),
            f_max: fixture.number("f_max").unwrap_or(8000.0).into(),
            convention,
        };
        let (hifigan, speechbrain) =
            (config(MelConvention::HifiGan), config(MelConvention::SpeechBrain));
        let wave = fixture.values("wav");

        let bank = MelFilterBank::new(&hifigan);
        let weights: Vec<f32> = (0..n_mels)
            .flat_map(|band| (0..n_bins).map(move |bin| (band, bin)))
            .map(|(band, bin)| bank.weight(band, bin))
            .collect();
        for name in fixture.io.keys().filter(|key| key.starts_with("mel_fb")) {
            fixture.check(name, &weights);
        }
        fixture.check_rows("mel_hifigan", &mel_spectrogram(&wave, &hifigan).frames, n_mels);
        let mel = mel_spectrogram(&wave, &speechbrain);
        fixture.check_rows("mel_speechbrain", &mel.frames, n_mels);
        if fixture.has("mel_speechbrain_fs2") {
            fixture.check_rows("mel_speechbrain_fs2", &mel.frames, n_mels);
        }
        if fixture.has("energy_fs2_minmax") {
            let energy = mel_energy(&mel);
            let (low, high) =
                energy.iter().fold((f32::MAX, f32::MIN), |(l, h), &e| (l.min(e), h.max(e)));
            let scaled: Vec<f32> = energy.iter().map(|e| (e - low) / (high - low)).collect();
            fixture.check("energy_fs2_minmax", &scaled);
        }

        let stft = Stft::new(hifigan.n_fft, hifigan.hop_length, hifigan.win_length);
        let spectrum = stft.centred(&wave);
        let part = |of: fn(&_) -> f32| spectrum.bins.iter().map(of).collect::<Vec<f32>>();
        fixture.check_rows("stft_real", &part(|bin| bin.re), n_bins);
        fixture.check_rows("stft_imag", &part(|bin| bin.im), n_bins);
        fixture.check_rows("stft_abs", &part(|bin| bin.norm()), n_bins);
        fixture.check("istft", &stft.inverse(&spectrum));
        check_recorded_inverse(&fixture, &stft);
        check_griffin_lim(&fixture, &stft);
    }
}

/// The inverse of the recorded spectrum, so that an error there cannot hide one here.
fn check_recorded_inverse(fixture: &Fixture, stft: &Stft) {
    let (real, imaginary) = (fixture.columns("stft_real"), fixture.columns("stft_imag"));
    let mut spectrum = Spectrum { bins: Vec::new(), n_bins: stft.n_bins() };
    spectrum.bins = real.into_iter().zip(imaginary).map(|(re, im)| Complex { re, im }).collect();
    fixture.check("istft", &stft.inverse(&spectrum));
}

/// Names tell the method: `griffinlim[_fast_0_99]_zero_phase_8it`.
fn check_griffin_lim(fixture: &Fixture, stft: &Stft) {
    let magnitudes = fixture.columns("griffinlim_mag");
    for name in fixture.io.keys().filter(|key| key.ends_with("it") && key.starts_with("griffinlim"))
    {
        let n_iterations = name.trim_end_matches("it").rsplit('_').next().unwrap().parse().unwrap();
        let momentum = if name.contains("fast") { 0.99 } else { 0.0 };
        let method = GriffinLim { n_iterations, momentum, phase: Phase::Zero };
        fixture.check(name, &method.invert(&magnitudes, stft));
    }
}

#[test]
fn golden_g2p_en() {
    for fixture in fixtures("g2p_en") {
        let has_weights = fixture.folder.join("model.safetensors").exists();
        let (g2p, tolerance) = if has_weights {
            (G2p::load(&described(&fixture)).unwrap(), TOLERANCE)
        } else {
            let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/g2p-en");
            (G2p::load(&bundled).unwrap(), HALF_PRECISION_TOLERANCE)
        };
        let words = fixture.config["words"].as_array().expect("config.json lists words");
        for (index, word) in words.iter().map(|word| word.as_str().unwrap()).enumerate() {
            let expected: Vec<&str> = fixture.config["predictions"][word]
                .as_array()
                .unwrap_or_else(|| panic!("config.json has no prediction for {word}"))
                .iter()
                .map(|phoneme| phoneme.as_str().unwrap())
                .collect();
            assert_eq!(g2p.raw_phonemes(word), expected, "{word}: {}", fixture.folder.display());
            let state = g2p.encode(word);
            fixture.check_within(&format!("enc_hidden.{index}"), &state, tolerance);
            let logits = g2p.first_logits(&state);
            fixture.check_within(&format!("first_logits.{index}"), &logits, tolerance);
        }
    }
}

/// The fixture's weights with a `model.toml` beside them, which the recording lacks.
fn described(fixture: &Fixture) -> PathBuf {
    if fixture.folder.join("model.toml").exists() {
        return fixture.folder.clone();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden-g2p");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(fixture.folder.join("model.safetensors"), folder.join("model.safetensors")).unwrap();
    let (graphemes, phonemes) = (&fixture.config["graphemes"], &fixture.config["phonemes"]);
    // Lists of plain strings are written the same in JSON and in TOML.
    let text = format!("graphemes = {graphemes}\nphonemes = {phonemes}\nmax_phonemes = 20\n");
    fs::write(folder.join("model.toml"), text).unwrap();
    folder
}

#[test]
fn the_bundled_voice_says_what_it_said_in_torch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = Weights::read(&root.join("tests/fixtures/voice/parity.safetensors")).unwrap();
    let want = |name: &str| recorded.scope("").array(name).unwrap().values.clone();
    let front_end = FrontEnd::new(G2p::load(&root.join("models/g2p-en")).unwrap());
    let voice = load_fastspeech2(&root.join("models/joe-fastspeech2")).unwrap();
    let phonemes =
        front_end.phonemes("Good evening, and welcome to the studio.", voice.symbols()).unwrap();

    let network = voice.network();
    let mut hidden = network.encode(&phonemes.ids());
    let log_durations = network.log_durations(&hidden);
    assert_close("log_durations", &log_durations, &want("log_durations"), TOLERANCE);
    let durations: Vec<u32> = log_durations.iter().map(|&d| frames(d, 1.0)).collect();
    let pitch = network.pitch(&hidden);
    assert_close("pitch", &pitch, &want("pitch"), TOLERANCE);
    network.add_pitch(&mut hidden, &pitch);
    let energy = network.energy(&hidden);
    assert_close("energy", &energy, &want("energy"), TOLERANCE);
    network.add_energy(&mut hidden, &energy);
    let before = network.mel_before_postnet(&network.decode(&hidden, &durations));
    assert_close("mel_pre", &before.to_columns(), &want("mel_pre"), TOLERANCE);
    let mel = network.mel(&before);
    assert_close("mel_post", &mel.to_columns(), &want("mel_post"), TOLERANCE);

    let vocoder = load_hifigan(&root.join("models/joe-hifigan")).unwrap();
    let wave = vocoder.generator().forward(&mel);
    assert_close("wave", &wave, &want("wave"), BUNDLED_WAVE_TOLERANCE);
}

#[test]
fn the_bundled_vocoder_copies_recordings_as_in_torch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vocoder = load_hifigan(&root.join("models/joe-hifigan")).unwrap();
    for index in 1..=3 {
        let path = root.join(format!("tests/fixtures/copy_synthesis/{index}.safetensors"));
        let recorded = Weights::read(&path).unwrap();
        let mel = recorded.scope("").array("mel").unwrap();
        let len = mel.shape[1];
        let mel = Features { values: mel.values.clone(), n_channels: mel.shape[0], len };
        let want = &recorded.scope("").array("vocoded").unwrap().values;
        let label = format!("copy {index}");
        assert_close(&label, &vocoder.generator().forward(&mel), want, BUNDLED_WAVE_TOLERANCE);
    }
}

#[test]
fn the_bundled_wavenet_sounds_the_mel_it_is_given() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut vocoder = load_vocoder(&root.join("models/joe-wavenet")).unwrap();
    let recorded =
        Weights::read(&root.join("tests/fixtures/copy_synthesis/1.safetensors")).unwrap();
    let mel = recorded.scope("").array("mel").unwrap();
    let len = mel.shape[1];
    let mel = Features { values: mel.values.clone(), n_channels: mel.shape[0], len };
    // The first second: no sample is made faster than one after the other.
    let config = vocoder.mel_config().unwrap().clone();
    let frames = mel.select(&(0..86).collect::<Vec<_>>()).to_columns();
    let mel = MelSpectrogram { config: config.clone(), frames };
    let sound = vocoder.vocode(&mel, &mut |_| Ok(())).unwrap();
    assert_eq!(sound.samples.len(), mel.n_frames() * config.hop_length);

    let heard = mel_spectrogram(&sound.samples, &config);
    let distance = |a: &MelSpectrogram, b: &MelSpectrogram| {
        let sum: f32 = a.frames.iter().zip(&b.frames).map(|(a, b)| (a - b).abs()).sum();
        sum / a.frames.len() as f32
    };
    let mut backwards = mel.clone();
    backwards.frames = mel.frames.rchunks(config.n_mels).flatten().copied().collect();
    let (own, other) = (distance(&heard, &mel), distance(&heard, &backwards));
    assert!(own < 0.5 * other, "{own} from its own mel, {other} from one that runs backwards");
}
