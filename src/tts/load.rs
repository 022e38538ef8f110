//! Models from their folders: `model.toml` says what the weights beside it are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::{MelConfig, MelConvention, ModelKind},
    nn::{Padding, Weights},
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel,
            fastspeech2::{FastSpeech2, FastSpeech2Config, Heads, Statistics},
        },
        vocoder::{GeneratorConfig, HifiGan, Vocoder},
    },
};

/// The description's name in each folder.
const DESCRIPTION: &str = "model.toml";

/// An acoustic model from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_acoustic(folder: &Path) -> Result<Box<dyn AcousticModel>, Error> {
    Ok(Box::new(load_fastspeech2(folder)?))
}

/// A FastSpeech 2 voice from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_fastspeech2(folder: &Path) -> Result<FastSpeech2, Error> {
    let description: Description<FastSpeech2Table> = describe(folder, ModelKind::FastSpeech2)?;
    let table = description.table;
    for (name, std) in [("pitch_std_hz", table.pitch_std_hz), ("energy_std", table.energy_std)] {
        if !(std.is_finite() && std > 0.0) {
            let why = format!("{name} is {std}; it must be above zero");
            return Err(Error::Description { why, path: folder.join(DESCRIPTION) });
        }
    }
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
    FastSpeech2::new(&Weights::read(&description.weights)?, config)
}

/// A neural vocoder from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_vocoder(folder: &Path) -> Result<Box<dyn Vocoder>, Error> {
    Ok(Box::new(load_hifigan(folder)?))
}

/// A HiFi-GAN vocoder from its folder.
///
/// # Errors
/// If the description or the weights cannot be read or do not fit each other.
pub fn load_hifigan(folder: &Path) -> Result<HifiGan, Error> {
    let description: Description<HifiGanTable> = describe(folder, ModelKind::HifiGan)?;
    let padding = match description.mel.convention {
        MelConvention::HifiGan => Padding::Zero,
        MelConvention::SpeechBrain => Padding::Reflect,
    };
    let config = GeneratorConfig {
        upsample_rates: description.table.upsample_rates,
        resblock_dilations: description.table.resblock_dilation_sizes,
        padding,
    };
    HifiGan::new(&Weights::read(&description.weights)?, &config, description.mel)
}

/// What a folder holds: its own table, its mel and where its weights are.
struct Description<T> {
    table: T,
    mel: MelConfig,
    weights: PathBuf,
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

/// The `[hifigan]` table; a published variant needs none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct HifiGanTable {
    upsample_rates: Option<Vec<usize>>,
    resblock_dilation_sizes: Option<Vec<Vec<usize>>>,
}

/// The keys that both kinds share.
#[derive(Deserialize)]
struct Common {
    kind: ModelKind,
    #[serde(default = "default_file")]
    file: String,
    #[serde(default)]
    sample_rate: Option<u32>,
    #[serde(default)]
    mel: MelTable,
}

/// The `[mel]` table; what is not said is as in models of `LJSpeech`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct MelTable {
    sample_rate: Option<u32>,
    n_fft: Option<usize>,
    hop_length: Option<usize>,
    win_length: Option<usize>,
    n_mels: Option<usize>,
    f_min: Option<f64>,
    f_max: Option<f64>,
    convention: MelConvention,
}

fn default_file() -> String {
    "model.safetensors".into()
}

fn describe<T: DeserializeOwned>(folder: &Path, kind: ModelKind) -> Result<Description<T>, Error> {
    let path = folder.join(DESCRIPTION);
    let wrong = |why: String| Error::Description { why, path: path.clone() };
    let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let document: toml::Table =
        text.parse().map_err(|error: toml::de::Error| wrong(said(&error)))?;
    let common: Common = document.clone().try_into().map_err(|error| wrong(said(&error)))?;
    if common.kind != kind {
        let why = format!("it is a {} model, not {}", common.kind.label(), kind.label());
        return Err(wrong(why));
    }
    let name = if kind == ModelKind::FastSpeech2 { "fastspeech2" } else { "hifigan" };
    let table = document.get(name).cloned().unwrap_or_else(|| toml::Table::new().into());
    let table = table.try_into().map_err(|error| wrong(format!("[{name}]: {}", said(&error))))?;
    let mel = common.mel.complete(common.sample_rate);
    if mel.n_fft == 0 || mel.hop_length == 0 || mel.n_mels == 0 || mel.win_length > mel.n_fft {
        return Err(wrong("the lengths under [mel] do not fit each other".into()));
    }
    Ok(Description { table, mel, weights: folder.join(common.file) })
}

impl MelTable {
    fn complete(self, sample_rate: Option<u32>) -> MelConfig {
        let default = MelConfig::default();
        let n_fft = self.n_fft.unwrap_or(default.n_fft);
        MelConfig {
            sample_rate: sample_rate.or(self.sample_rate).unwrap_or(default.sample_rate),
            n_fft,
            hop_length: self.hop_length.unwrap_or(default.hop_length),
            win_length: self.win_length.unwrap_or(n_fft),
            n_mels: self.n_mels.unwrap_or(default.n_mels),
            f_min: self.f_min.unwrap_or(default.f_min),
            f_max: self.f_max.unwrap_or(default.f_max),
            convention: self.convention,
        }
    }
}

/// A parser's message on one line.
fn said(error: &toml::de::Error) -> String {
    error.message().replace('\n', "; ")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::{
        domain::{MelSpectrogram, Phoneme, PhonemeSequence, ProsodyControls},
        nn::WeightsError,
    };

    /// A folder with the tiny weights of a golden fixture and a description beside them.
    pub fn folder(kind: &str, convention: &str, table: &str) -> tempfile::TempDir {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts");
        let folder = tempfile::tempdir().unwrap();
        let weights = fixtures.join(kind).join("model.safetensors");
        fs::copy(weights, folder.path().join("model.safetensors")).unwrap();
        let text = format!(
            "id = \"tiny\"\nkind = \"{kind}\"\nsample_rate = 22050\n\
             [mel]\nconvention = \"{convention}\"\n[{kind}]\n{table}"
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
    fn a_voice_and_its_vocoder_speak() {
        let folder = folder("fastspeech2", "speechbrain", &voice_table());
        let mut voice = load_acoustic(folder.path()).unwrap();
        let controls = ProsodyControls::default();
        let acoustics = voice.synthesize(&phonemes(1..30), None, &controls).unwrap();
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
        let mel = MelSpectrogram::empty(MelConfig::default());
        let error = vocoder("speechbrain").vocode(&mel, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("Griffin-Lim"), "{error}");
    }
}
