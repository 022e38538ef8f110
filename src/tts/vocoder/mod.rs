//! Mel to sound.

mod generator;
mod griffin_lim;
mod hifigan;
mod model;

pub use generator::{Generator, GeneratorConfig};
pub use griffin_lim::GriffinLim;
pub use hifigan::HifiGan;
pub use model::Vocoder;
