//! Why speech could not be made: what failed, why, and what to do.

use std::path::PathBuf;

use crate::{
    domain::ModelKind,
    job::Cancelled,
    nn::WeightsError,
    tts::recognize::{Complaint, listed},
};

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
    /// Durations that no sentence can have.
    #[error("the given durations are {n_frames} frames together; a sentence has 1 to {limit}")]
    GivenTime {
        /// All of them.
        n_frames: usize,
        /// What is accepted.
        limit: usize,
    },
    /// Something was given that the voice does not take over.
    #[error(
        "the voice finds its own {what} and takes none over; choose a FastSpeech 2 voice, or leave them as predicted"
    )]
    Unheeded {
        /// What.
        what: &'static str,
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
    /// A voice that has only one way to durations.
    #[error("the voice has nothing to draw durations with; take the predicted ones")]
    NoDrawnDurations,
    /// A decoder that goes on and on.
    #[error(
        "the voice found no end of the sentence within {n_frames} frames; \
        take another seed, a lower gate threshold or a window, or a shorter sentence"
    )]
    NoEnd {
        /// Frames that it made.
        n_frames: usize,
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
    /// A file of weights that no architecture has.
    #[error(
        "the file holds {n} tensors of no architecture that Formant speaks (among them {}); known \
         are FastSpeech 2, Matcha-TTS, Tacotron 2, Tacotron, HiFi-GAN and WaveNet by their published \
         names: {}", examples.join(", "), path.display()
    )]
    Unrecognized {
        /// How many tensors it has.
        n: usize,
        /// Some of their names.
        examples: Vec<String>,
        /// The file.
        path: PathBuf,
    },
    /// A file of weights that are not all that its architecture has.
    #[error(
        "the file is of {}, but {} tensors do not fit: {}: {}",
        kind.label(), complaints.len(), listed(complaints), path.display()
    )]
    Unfit {
        /// What it is.
        kind: ModelKind,
        /// What does not fit.
        complaints: Vec<Complaint>,
        /// The file.
        path: PathBuf,
    },
    /// A voice whose symbols nobody knows.
    #[error(
        "the voice has {n} symbols, and no published table has so many; write a model.toml that \
         lists them: {}", path.display()
    )]
    UnknownSymbols {
        /// How many.
        n: usize,
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

impl Error {
    /// Whether the request has to change, not the program or a file.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            Self::EmptyText
                | Self::UnknownSymbol { .. }
                | Self::ProsodyLength { .. }
                | Self::GivenTime { .. }
                | Self::Unheeded { .. }
                | Self::ControlRange { .. }
                | Self::NoEnd { .. }
                | Self::NoDrawnDurations
                | Self::MelMismatch { .. }
        )
    }
}
