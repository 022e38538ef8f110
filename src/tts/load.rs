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
            fastspeech2::{FastSpeech2, FastSpeech2Config, Statistics},
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
        n_heads: table.n_heads,
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

/// The `[mel]` table; what is not said is as in LJSpeech models.
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
    let document: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(said(&error)))?;
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
