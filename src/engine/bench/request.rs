//! What is to be measured, and how long it may take.

use std::path::PathBuf;

use serde::Serialize;

use crate::domain::{Measurement, ModelShape, Progress};

/// A wish for figures.
#[derive(Debug, Clone)]
pub struct BenchRequest {
    /// What is measured.
    pub model: BenchModel,
    /// Which figures, in the order of [`BenchPart::ALL`].
    pub parts: Vec<BenchPart>,
    /// LoRA adapters for the model, by id or path: what they cost.
    pub adapters: Vec<String>,
    /// How thoroughly.
    pub effort: Effort,
    /// Another engine to measure in turns with ours.
    pub peer: Option<PeerRequest>,
}

/// A language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BenchModel {
    /// By its id in the library.
    Id(String),
    /// A GGUF file that is in no library.
    File(PathBuf),
    /// No file: well-known sizes with made-up weights, on a graphics processor.
    Shape(ModelShape),
}

/// Figures that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BenchPart {
    /// Load, and load to first token.
    Load,
    /// Reading prompts.
    Prefill,
    /// Writing token after token.
    Decode,
    /// What a pass over several rows costs.
    Verify,
    /// Several replies at once.
    Together,
    /// What adapters cost.
    Adapters,
    /// What n-gram lookup brings.
    Ngram,
    /// Beside busy threads.
    Contended,
    /// What the model makes of a text.
    Perplexity,
    /// Bytes.
    Memory,
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Figures to quote: some minutes, more with a peer.
    Full,
    /// Whether all is well: some seconds, short prompts and two goes of everything.
    Quick,
}

/// llama.cpp, by way of its Python binding.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// A Python that has `llama_cpp`.
    pub python: PathBuf,
    /// The file it reads, where that is another than ours.
    pub model: Option<PathBuf>,
}

/// Heard while figures are taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "value", rename_all = "snake_case")]
pub enum BenchEvent {
    /// How far it is.
    Progress(Progress),
    /// A figure stands.
    Measured(Measurement),
}

impl BenchPart {
    /// Every part.
    pub const ALL: [Self; 10] = [
        Self::Load,
        Self::Prefill,
        Self::Decode,
        Self::Verify,
        Self::Together,
        Self::Adapters,
        Self::Ngram,
        Self::Contended,
        Self::Perplexity,
        Self::Memory,
    ];

    /// Whether it says something of a graphics processor.
    fn is_of_devices(self) -> bool {
        !matches!(self, Self::Contended | Self::Adapters)
    }

    /// Whether it can be had without words.
    fn is_of_shapes(self) -> bool {
        matches!(self, Self::Prefill | Self::Decode | Self::Verify | Self::Memory)
    }
}

impl BenchRequest {
    /// The figures that there are to be had of the model on the CPU, or on a device.
    pub(super) fn possible_parts(&self, on_device: bool) -> Vec<BenchPart> {
        let has_words = !matches!(self.model, BenchModel::Shape(_));
        let is_possible = |part: &BenchPart| {
            (has_words || part.is_of_shapes())
                && (!on_device || part.is_of_devices())
                && (*part != BenchPart::Adapters || !self.adapters.is_empty())
        };
        self.parts.iter().copied().filter(is_possible).collect()
    }
}
