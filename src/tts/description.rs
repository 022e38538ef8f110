//! `model.toml`: what a model's folder says of the weights beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::{AttentionWindow, MelConfig, MelConvention, ModelKind},
    tts::{Error, recognize},
};

/// The description's name in each folder.
pub(super) const DESCRIPTION: &str = "model.toml";

/// SpeechBrain's predictor of pauses, which is published beside its FastSpeech 2.
pub(super) const SILENCES: &str = "spn_predictor.ckpt";

/// A model's description, read but for the table of its kind.
pub(super) struct Description {
    /// What it is.
    pub kind: ModelKind,
    /// What its mels look like.
    pub mel: MelConfig,
    /// Where its weights are.
    pub weights: PathBuf,
    document: toml::Table,
    path: PathBuf,
}

/// The keys that all kinds share.
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

impl Description {
    /// Reads the description in `folder`; where there is none, as with checkpoints that are fetched
    /// as they were published, what the weights tell.
    ///
    /// # Errors
    /// If it cannot be read, what it says of mels cannot be, or the weights are nothing known.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(DESCRIPTION);
        let wrong = |why: String| Error::Description { why, path: path.clone() };
        let document = match fs::read_to_string(&path) {
            Ok(text) => text.parse().map_err(|error: toml::de::Error| wrong(said(&error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => told_by_weights(folder)?
                .ok_or_else(|| wrong("there is none, nor weights that could tell".into()))?,
            Err(error) => return Err(wrong(error.to_string())),
        };
        let common: Common = document.clone().try_into().map_err(|error| wrong(said(&error)))?;
        let mel = common.mel.complete(common.sample_rate);
        if mel.n_fft == 0 || mel.hop_length == 0 || mel.n_mels == 0 || mel.win_length > mel.n_fft {
            return Err(wrong("the lengths under [mel] do not fit each other".into()));
        }
        let weights = folder.join(common.file);
        Ok(Self { kind: common.kind, mel, weights, document, path })
    }

    /// Refuses any other kind.
    ///
    /// # Errors
    /// If it is of another kind.
    pub fn expect(self, kind: ModelKind) -> Result<Self, Error> {
        if self.kind == kind {
            return Ok(self);
        }
        Err(self.wrong(format!("it is a {} model, not {}", self.kind.label(), kind.label())))
    }

    /// The table called `name`; an empty one if there is none.
    ///
    /// # Errors
    /// If something in it is missing or of another type.
    pub fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let empty = || toml::Table::new().into();
        let table = self.document.get(name).cloned().unwrap_or_else(empty);
        table.try_into().map_err(|error| self.wrong(format!("[{name}]: {}", said(&error))))
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A complaint about it.
    pub fn wrong(&self, why: String) -> Error {
        Error::Description { why, path: self.path.clone() }
    }

    /// Refuses a deviation that nothing can be divided by.
    ///
    /// # Errors
    /// If it is not above zero.
    pub fn check_deviation(&self, name: &str, std: f32) -> Result<(), Error> {
        if std.is_finite() && std > 0.0 {
            return Ok(());
        }
        Err(self.wrong(format!("{name} is {std}; it must be above zero")))
    }
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

/// What the weights in a folder are by their tensors, if there are any.
fn told_by_weights(folder: &Path) -> Result<Option<toml::Table>, Error> {
    let is_weights = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default();
        path.is_file()
            && name != SILENCES
            && !name.starts_with('.')
            && !["part", "sha256", "toml", "md"].iter().any(|other| extension == *other)
    };
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let Some(path) = files.map(|file| file.path()).find(is_weights) else { return Ok(None) };
    let found = recognize::inspect(&path)?;
    let mut document = found.description;
    document.insert("kind".into(), found.model.kind.key().into());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    document.insert("file".into(), name.into());
    Ok(Some(document))
}

/// Both sides of a window, or none.
pub(super) fn window(back: Option<u32>, ahead: Option<u32>) -> Option<AttentionWindow> {
    Some(AttentionWindow { back: back?, ahead: ahead? })
}

/// A parser's message on one line.
fn said(error: &toml::de::Error) -> String {
    error.message().replace('\n', "; ")
}
