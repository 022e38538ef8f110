//! Why speech could not be made: what failed, why, and what to do.

use std::path::PathBuf;

use crate::{job::Cancelled, nn::WeightsError};

/// Why speech could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in the text can be spoken.
    #[error("the text has no speakable character; type a letter or a digit")]
    EmptyText,
    /// A voice was given a row that its embedding does not have.
    #[error("the voice has no symbol {id}, only {n_symbols}; make the phonemes with this voice")]
    UnknownSymbol {
        /// The row.
        id: u32,
        /// How many rows there are.
        n_symbols: usize,
    },
    /// A prosody that belongs to another sentence.
    #[error(
        "the prosody has {found} values for {expected} phonemes; edit the prosody of this sentence"
    )]
    ProsodyLength {
        /// Values given.
        found: usize,
        /// Phonemes in the sentence.
        expected: usize,
    },
    /// Pace, pitch or energy out of range.
    #[error("{name} is {value}; it must lie in {} to {}", range.start(), range.end())]
    ControlRange {
        /// Which one.
        name: &'static str,
        /// What was asked.
        value: f32,
        /// What is possible.
        range: std::ops::RangeInclusive<f32>,
    },
    /// Durations that no sentence has.
    #[error(
        "the voice wants {n_frames} frames for one sentence, more than {limit}; \
        its weights are damaged or belong to another architecture"
    )]
    TooLong {
        /// What it predicts.
        n_frames: usize,
        /// What is accepted.
        limit: usize,
    },
    /// A vocoder that cannot read the voice's mel.
    #[error(
        "the vocoder expects a mel with {expected}, the voice makes {found}; \
        choose the vocoder that belongs to the voice, or Griffin-Lim"
    )]
    MelMismatch {
        /// What the mel has.
        found: String,
        /// What the vocoder needs.
        expected: String,
    },
    /// A model's description could not be read.
    #[error("cannot read the model's description: {why}: {}", path.display())]
    Description {
        /// What is wrong with it.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// A model's weights could not be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The client no longer wants the result.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
