//! Models as the library and the pages speak of them.

use serde::{Deserialize, Serialize};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Phonemes to mel.
    #[serde(rename = "fastspeech2")]
    FastSpeech2,
    /// Mel to sound.
    #[serde(rename = "hifigan")]
    HifiGan,
    /// Letters to phonemes, for words outside the dictionary.
    G2p,
    /// A Llama-family language model.
    Llama,
}

impl ModelKind {
    /// Its name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::FastSpeech2 => "FastSpeech 2",
            Self::HifiGan => "HiFi-GAN",
            Self::G2p => "G2P",
            Self::Llama => "Language model",
        }
    }
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum ModelState {
    /// Its file is there.
    Ready {
        /// Where.
        path: std::path::PathBuf,
        /// Size of the file.
        bytes: u64,
    },
    /// It can be fetched.
    Missing,
    /// A file is there but cannot be what it should be.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
}

/// One entry of the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Short name for commands and files: `joe-fastspeech2`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// Under which terms it may be used.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Expected SHA-256 of its file, in hex.
    pub sha256: String,
    /// Size of its file when whole, in bytes; zero where unknown.
    pub bytes: u64,
    /// Whether it can be used now.
    #[serde(flatten)]
    pub state: ModelState,
    /// Measured quality figures by name (`wer_percent`, `dnsmos_ovrl`), in the card's order.
    pub quality: Vec<(String, f64)>,
}

impl ModelInfo {
    /// Whether the model can be used now.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, ModelState::Ready { .. })
    }
}
