//! Phonemes to mel.

pub mod fastspeech2;
mod model;

pub use model::{AcousticModel, Acoustics};
