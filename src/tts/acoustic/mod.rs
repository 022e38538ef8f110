//! Phonemes to mel.

pub mod fastspeech2;
pub mod matcha;
pub mod tacotron;
pub mod tacotron2;

mod model;
mod prenet;
mod window;

pub use model::{AcousticModel, Acoustics, Manner, OnFrames};
pub use prenet::{Dropout, no_dropout, seeded_dropout};
