//! Models from their folders: `model.toml` says what the weights beside it are.

use std::path::Path;

use serde::Deserialize;

use crate::{
    domain::{LinearConfig, MelConvention, ModelKind},
    nn::{Padding, Weights},
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel,
            fastspeech2::{FastSpeech2, FastSpeech2Config, Heads, Statistics},
            matcha::{self, Matcha, MatchaConfig, Rounding},
            tacotron::{Levels, Tacotron, TacotronConfig},
            tacotron2::{Tacotron2, Tacotron2Config},
        },
        description::{Description, SILENCES, window},
        vocoder::{GeneratorConfig, HifiGan, Vocoder, WaveNet, WaveNetConfig},
    },
};

/// An acoustic model of any kind from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_acoustic(folder: &Path) -> Result<Box<dyn AcousticModel>, Error> {
    let description = Description::read(folder)?;
    Ok(match description.kind {
        ModelKind::Matcha => Box::new(load_matcha(&description)?),
        ModelKind::Tacotron2 => Box::new(load_tacotron2(&description)?),
        ModelKind::Tacotron => Box::new(load_tacotron(&description)?),
        _ => Box::new(load_fastspeech2(folder)?),
    })
}

/// A FastSpeech 2 voice from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_fastspeech2(folder: &Path) -> Result<FastSpeech2, Error> {
    let description = Description::read(folder)?.expect(ModelKind::FastSpeech2)?;
    let table: FastSpeech2Table = description.table("fastspeech2")?;
    description.check_deviation("pitch_std_hz", table.pitch_std_hz)?;
    description.check_deviation("energy_std", table.energy_std)?;
    let config = FastSpeech2Config {
        heads: Heads {
            encoder: table.n_heads,
            decoder: table.n_decoder_heads.unwrap_or(table.n_heads),
        },
        symbols: SymbolTable::new(table.symbols),
        mel: description.mel,
        pitch_hz: Statistics { mean: table.pitch_mean_hz, std: table.pitch_std_hz },
        energy: Statistics { mean: table.energy_mean, std: table.energy_std },
    };
    let mut weights = Weights::read(&description.weights)?;
    let silences = folder.join(SILENCES);
    if silences.is_file() {
        weights.join("spn_predictor", Weights::read(&silences)?);
    }
    FastSpeech2::new(&weights, config)
}

fn load_matcha(description: &Description) -> Result<Matcha, Error> {
    let table: MatchaTable = description.table("matcha")?;
    if let Some(std) = table.mel_std {
        description.check_deviation("mel_std", std)?;
    }
    let config = MatchaConfig {
        heads: matcha::Heads { encoder: table.n_heads, decoder: table.n_decoder_heads },
        symbols: SymbolTable::new(table.symbols),
        mel: description.mel.clone(),
        blanks: table.add_blank,
        rounding: match table.duration_rounding {
            RoundingName::Ceil => Rounding::Ceil,
            RoundingName::Nearest => Rounding::Nearest,
        },
        noise_scale_w: table.noise_scale_w,
        mel_statistics: table.mel_mean.zip(table.mel_std).map(Into::into),
    };
    let voice = Matcha::new(&Weights::read(&description.weights)?, config)?;
    match table.stochastic_durations {
        None => Ok(voice),
        Some(file) => voice.with_drawn_durations(&Weights::read(&description.folder().join(file))?),
    }
}

fn load_tacotron2(description: &Description) -> Result<Tacotron2, Error> {
    let table: Tacotron2Table = description.table("tacotron2")?;
    description.check_deviation("mel_std", table.mel_std)?;
    let config = Tacotron2Config {
        symbols: SymbolTable::new(table.symbols),
        mel: description.mel.clone(),
        mel_statistics: [table.mel_mean, table.mel_std],
        dropout: table.dropout,
        window: window(table.window_back, table.window_ahead),
        max_decoder_steps: table.max_decoder_steps,
    };
    Tacotron2::new(&Weights::read(&description.weights)?, config)
}

fn load_tacotron(description: &Description) -> Result<Tacotron, Error> {
    let table: TacotronTable = description.table("tacotron")?;
    if !(table.min_level_db < 0.0 && table.ref_level_db.is_finite()) {
        let why = format!("min_level_db is {}; it must be below zero", table.min_level_db);
        return Err(description.wrong(why));
    }
    let mel = description.mel.clone();
    let config = TacotronConfig {
        symbols: SymbolTable::new(table.symbols),
        levels: Levels::decibels(table.ref_level_db, table.min_level_db),
        linear: LinearConfig {
            sample_rate: mel.sample_rate,
            n_fft: table.linear.n_fft.unwrap_or(mel.n_fft),
            hop_length: table.linear.hop_length.unwrap_or(mel.hop_length),
            win_length: table
                .linear
                .win_length
                .unwrap_or(table.linear.n_fft.unwrap_or(mel.win_length)),
            preemphasis: table.linear.preemphasis,
            power: table.linear.power,
        },
        mel,
        dropout: table.dropout,
        stop_below: table.stop_below,
        window: window(table.window_back, table.window_ahead),
        max_decoder_steps: table.max_decoder_steps,
    };
    let linear = &config.linear;
    if linear.hop_length == 0 || linear.n_fft == 0 || linear.win_length > linear.n_fft {
        let why = "the lengths under [tacotron.linear] do not fit each other";
        return Err(description.wrong(why.to_owned()));
    }
    Tacotron::new(&Weights::read(&description.weights)?, config)
}

/// A neural vocoder of any kind from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_vocoder(folder: &Path) -> Result<Box<dyn Vocoder>, Error> {
    let description = Description::read(folder)?;
    if description.kind != ModelKind::WaveNet {
        return Ok(Box::new(load_hifigan(folder)?));
    }
    let table: WaveNetTable = description.table("wavenet")?;
    description.check_deviation("gain", table.gain)?;
    description.check_deviation("temperature", table.temperature)?;
    for &std in table.mel_std.iter().flatten() {
        description.check_deviation("mel_std", std)?;
    }
    let config = WaveNetConfig {
        n_stacks: table.n_stacks,
        mel_mean: table.mel_mean,
        mel_std: table.mel_std,
        preemphasis: table.preemphasis,
        gain: table.gain,
        temperature: table.temperature,
    };
    Ok(Box::new(WaveNet::new(&Weights::read(&description.weights)?, &config, description.mel)?))
}

/// A HiFi-GAN vocoder from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_hifigan(folder: &Path) -> Result<HifiGan, Error> {
    let description = Description::read(folder)?.expect(ModelKind::HifiGan)?;
    let table: HifiGanTable = description.table("hifigan")?;
    let padding = match description.mel.convention {
        MelConvention::HifiGan => Padding::Zero,
        MelConvention::SpeechBrain => Padding::Reflect,
    };
    let config = GeneratorConfig {
        upsample_rates: table.upsample_rates,
        resblock_dilations: table.resblock_dilation_sizes,
        padding,
    };
    HifiGan::new(&Weights::read(&description.weights)?, &config, description.mel)
}

/// The `[fastspeech2]` table.
#[derive(Deserialize)]
struct FastSpeech2Table {
    n_heads: usize,
    /// Where the decoder has others than the encoder.
    n_decoder_heads: Option<usize>,
    symbols: Vec<String>,
    pitch_mean_hz: f32,
    pitch_std_hz: f32,
    energy_mean: f32,
    energy_std: f32,
}

/// The `[matcha]` table.
#[derive(Deserialize)]
struct MatchaTable {
    symbols: Vec<String>,
    #[serde(default = "two")]
    n_heads: usize,
    #[serde(default = "two")]
    n_decoder_heads: usize,
    #[serde(default)]
    add_blank: bool,
    #[serde(default)]
    duration_rounding: RoundingName,
    /// A file beside the weights, if durations can be drawn, too.
    stochastic_durations: Option<String>,
    /// As published with VITS.
    #[serde(default = "noise_scale_w")]
    noise_scale_w: f32,
    /// Only where the weights do not hold them.
    mel_mean: Option<f32>,
    mel_std: Option<f32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoundingName {
    #[default]
    Ceil,
    Nearest,
}

/// The `[tacotron2]` table.
#[derive(Deserialize)]
struct Tacotron2Table {
    symbols: Vec<String>,
    #[serde(default)]
    mel_mean: f32,
    #[serde(default = "one")]
    mel_std: f32,
    #[serde(default = "yes")]
    dropout: bool,
    window_back: Option<u32>,
    window_ahead: Option<u32>,
    #[serde(default = "max_decoder_steps")]
    max_decoder_steps: usize,
}

/// The `[tacotron]` table.
#[derive(Deserialize)]
struct TacotronTable {
    symbols: Vec<String>,
    /// What 0 dB is called.
    #[serde(default = "ref_level_db")]
    ref_level_db: f32,
    /// The level that is written as zero, below the reference; that is written as one.
    #[serde(default = "min_level_db")]
    min_level_db: f32,
    #[serde(default = "yes")]
    dropout: bool,
    #[serde(default = "stop_below")]
    stop_below: f32,
    window_back: Option<u32>,
    window_ahead: Option<u32>,
    #[serde(default = "max_decoder_steps")]
    max_decoder_steps: usize,
    #[serde(default)]
    linear: LinearTable,
}

/// The `[tacotron.linear]` table; lengths are those of the mel unless said.
#[derive(Deserialize)]
#[serde(default)]
struct LinearTable {
    n_fft: Option<usize>,
    hop_length: Option<usize>,
    win_length: Option<usize>,
    preemphasis: f32,
    power: f32,
}

impl Default for LinearTable {
    fn default() -> Self {
        Self { n_fft: None, hop_length: None, win_length: None, preemphasis: 0.0, power: 1.5 }
    }
}

/// The `[hifigan]` table; a published variant needs none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct HifiGanTable {
    upsample_rates: Option<Vec<usize>>,
    resblock_dilation_sizes: Option<Vec<Vec<usize>>>,
}

/// The `[wavenet]` table.
#[derive(Deserialize)]
struct WaveNetTable {
    /// As published.
    #[serde(default = "four")]
    n_stacks: usize,
    mel_mean: Option<Vec<f32>>,
    mel_std: Option<Vec<f32>>,
    #[serde(default)]
    preemphasis: f32,
    #[serde(default = "one")]
    gain: f32,
    #[serde(default = "one")]
    temperature: f32,
}

fn one() -> f32 {
    1.0
}

fn two() -> usize {
    2
}

fn four() -> usize {
    4
}

fn yes() -> bool {
    true
}

fn noise_scale_w() -> f32 {
    0.8
}

/// As in `r9y9/tacotron_pytorch`.
fn stop_below() -> f32 {
    0.2
}

/// As in NVIDIA's and SpeechBrain's: eleven seconds at 86 steps a second.
fn max_decoder_steps() -> usize {
    1000
}

/// As in keithito's and r9y9's.
fn ref_level_db() -> f32 {
    20.0
}

fn min_level_db() -> f32 {
    -100.0
}

#[cfg(test)]
pub mod tests {
    use std::fs;

    use super::*;
    use crate::{
        domain::{
            GivenProsody, MelConfig, MelSpectrogram, Phoneme, PhonemeSequence, ProsodyControls,
            VoiceOptions,
        },
        nn::WeightsError,
        tts::{
            acoustic::{Acoustics, Manner},
            description::DESCRIPTION,
        },
    };

    /// A folder with the tiny weights of a golden fixture and a description beside them.
    pub fn folder(kind: &str, convention: &str, table: &str) -> tempfile::TempDir {
        described(kind, kind, &format!("convention = \"{convention}\""), table)
    }

    /// The same where the fixture is called otherwise than the kind.
    fn described(fixture: &str, kind: &str, mel: &str, table: &str) -> tempfile::TempDir {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts");
        let folder = tempfile::tempdir().unwrap();
        let weights = fixtures.join(fixture).join("model.safetensors");
        fs::copy(weights, folder.path().join("model.safetensors")).unwrap();
        let text = format!(
            "id = \"tiny\"\nkind = \"{kind}\"\nsample_rate = 22050\n\
             [mel]\n{mel}\n[{kind}]\n{table}"
        );
        fs::write(folder.path().join(DESCRIPTION), text).unwrap();
        folder
    }

    /// The `[fastspeech2]` table of the tiny voice.
    pub fn voice_table() -> String {
        let symbols = SymbolTable::speechbrain();
        format!(
            "n_heads = 2\nsymbols = {:?}\npitch_mean_hz = 120.0\npitch_std_hz = 30.0\n\
             energy_mean = 0.5\nenergy_std = 0.25\n",
            symbols.symbols()
        )
    }

    /// A tiny voice of another kind, with random weights and symbols called by their numbers.
    pub fn other_voice(kind: ModelKind, n_symbols: usize, rest: &str) -> Box<dyn AcousticModel> {
        let symbols: Vec<String> = (0..n_symbols).map(|id| format!("symbol {id}")).collect();
        let table = format!("symbols = {symbols:?}\n{rest}");
        let (fixture, mel) = match kind {
            ModelKind::Tacotron => ("tacotron1", "n_mels = 20"),
            _ => (kind.key(), ""),
        };
        load_acoustic(described(fixture, kind.key(), mel, &table).path()).unwrap()
    }

    /// Symbols of such a voice.
    pub fn symbols(ids: impl IntoIterator<Item = u32>) -> PhonemeSequence {
        let phonemes = ids.into_iter().map(|id| {
            let symbol = format!("symbol {id}");
            Phoneme { symbol, id, word_idx: None }
        });
        PhonemeSequence { phonemes: phonemes.collect(), ..PhonemeSequence::default() }
    }

    /// Has a voice speak, and hears how the sentence grows.
    pub fn speak(
        voice: &mut dyn AcousticModel,
        phonemes: &PhonemeSequence,
        options: &VoiceOptions,
        seed: u64,
        on_growth: &mut dyn FnMut(&Acoustics),
    ) -> Result<Acoustics, Error> {
        let controls = &ProsodyControls::default();
        let given = &GivenProsody::default();
        let manner = Manner { given, controls, options, seed };
        voice.synthesize(phonemes, &manner, &mut |growing| {
            growing.into_iter().for_each(&mut *on_growth);
            Ok(())
        })
    }

    /// A sentence of so many phonemes whose parts are of one length and hold numbers.
    #[track_caller]
    pub fn check_whole(acoustics: &Acoustics, n_phonemes: usize) {
        assert_eq!(acoustics.alignment.durations.len(), n_phonemes);
        assert_eq!(acoustics.mel.n_frames(), acoustics.alignment.n_frames());
        assert!(acoustics.mel.n_frames() > 0);
        assert!(acoustics.mel.frames.iter().all(|value| value.is_finite()));
        if let Some(attention) = &acoustics.attention {
            assert_eq!(attention.n_phonemes, n_phonemes);
            for step_idx in 0..attention.n_steps() {
                let sum: f32 = attention.step(step_idx).iter().sum();
                assert!((sum - 1.0).abs() < 1e-4, "step {step_idx} sums to {sum}");
            }
        }
    }

    /// A tiny voice with random weights.
    pub fn voice() -> FastSpeech2 {
        load_fastspeech2(folder("fastspeech2", "speechbrain", &voice_table()).path()).unwrap()
    }

    /// A tiny vocoder with random weights.
    pub fn vocoder(convention: &str) -> HifiGan {
        load_hifigan(folder("hifigan", convention, "").path()).unwrap()
    }

    /// Some phonemes of the tiny voice.
    pub fn phonemes(ids: impl IntoIterator<Item = u32>) -> PhonemeSequence {
        let table = SymbolTable::speechbrain();
        let phonemes = ids.into_iter().map(|id| {
            let symbol = table.symbols()[id as usize].clone();
            Phoneme { symbol, id, word_idx: None }
        });
        PhonemeSequence { phonemes: phonemes.collect(), ..PhonemeSequence::default() }
    }

    #[test]
    fn a_checkpoint_alone_in_its_folder_says_itself_what_it_is() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.ckpt.part"), b"what came of an earlier try").unwrap();
        fs::copy(
            fixtures.join("checkpoints/matcha_lightning.ckpt"),
            folder.path().join("matcha_ljspeech.ckpt"),
        )
        .unwrap();
        let voice = load_acoustic(folder.path()).unwrap();
        assert_eq!(voice.mel_config().convention, MelConvention::HifiGan);
        assert!(load_vocoder(folder.path()).is_err(), "it is no vocoder");
    }

    #[test]
    fn a_folder_without_weights_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_acoustic(folder.path()).err().unwrap().to_string();
        assert!(error.contains("model.toml"), "{error}");
    }

    #[test]
    fn a_voice_and_its_vocoder_speak() {
        let folder = folder("fastspeech2", "speechbrain", &voice_table());
        let mut voice = load_acoustic(folder.path()).unwrap();
        let manner = Manner {
            given: &GivenProsody::default(),
            controls: &ProsodyControls::default(),
            options: &VoiceOptions::default(),
            seed: 0,
        };
        let acoustics = voice.synthesize(&phonemes(1..30), &manner, &mut |_| Ok(())).unwrap();
        let sound = vocoder("speechbrain").vocode(&acoustics.mel, &mut |_| Ok(())).unwrap();
        assert_eq!(sound.samples.len(), acoustics.alignment.n_frames() * 256);
    }

    #[test]
    fn a_description_that_cannot_be_is_refused_with_its_path() {
        let whole = voice_table();
        for (table, told) in [
            ("n_heads = 2", "missing field"),
            (&whole.replace("n_heads = 2", "n_heads = \"two\""), "expected usize"),
            (&whole.replace("pitch_std_hz = 30.0", "pitch_std_hz = 0.0"), "above zero"),
            ("=", ""),
        ] {
            let folder = folder("fastspeech2", "hifigan", table);
            let Err(error) = load_acoustic(folder.path()) else { panic!("{table} was taken") };
            let text = error.to_string();
            assert!(text.contains(told) && text.ends_with("model.toml"), "{text}");
        }
        let vocoder = folder("hifigan", "hifigan", "");
        let error = load_acoustic(vocoder.path()).err().unwrap().to_string();
        assert!(error.contains("it is a HiFi-GAN model, not FastSpeech 2"), "{error}");
        assert!(load_vocoder(&vocoder.path().join("nowhere")).is_err());
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_by_name() {
        let fewer = voice_table().replace("\"spn\", ", "");
        let folder = folder("fastspeech2", "hifigan", &fewer);
        let error = load_acoustic(folder.path()).err().unwrap().to_string();
        assert!(error.contains("expected 41 rows, one per symbol"), "{error}");

        let folder =
            super::tests::folder("fastspeech2", "hifigan", &voice_table().replace("= 2", "= 3"));
        let error = load_acoustic(folder.path()).err().unwrap().to_string();
        assert!(error.contains("3 attention heads divide"), "{error}");

        let vocoder = super::tests::folder("hifigan", "hifigan", "upsample_rates = [8, 8, 2, 3]");
        let error = load_vocoder(vocoder.path()).err().unwrap().to_string();
        assert!(error.contains("whose product is 256"), "{error}");

        // The weights of a vocoder under the description of a voice.
        let voice = super::tests::folder("fastspeech2", "hifigan", &voice_table());
        let weights = voice.path().join("model.safetensors");
        fs::copy(vocoder.path().join("model.safetensors"), &weights).unwrap();
        assert!(matches!(
            load_acoustic(voice.path()),
            Err(Error::Weights(WeightsError::Missing { .. }))
        ));
        let whole = fs::read(&weights).unwrap();
        for share in [0, 1, 2, 3, 5, 9] {
            fs::write(&weights, &whole[..whole.len() * share / 10]).unwrap();
            let damaged = load_acoustic(voice.path());
            assert!(
                matches!(damaged, Err(Error::Weights(WeightsError::Damaged { .. }))),
                "{share}"
            );
        }
    }

    #[test]
    fn a_vocoder_refuses_the_mel_of_another_kind() {
        let mel = MelSpectrogram::empty(MelConfig { f_max: 7600.0, ..MelConfig::default() });
        let error = vocoder("speechbrain").vocode(&mel, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("Griffin-Lim"), "{error}");
    }
}
