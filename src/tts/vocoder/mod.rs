//! Mel to sound.

mod converting;
mod generator;
mod griffin_lim;
mod hifigan;
mod model;
mod wavenet;

pub use converting::MelReader;
pub use generator::{Generator, GeneratorConfig};
pub use griffin_lim::GriffinLim;
pub use hifigan::HifiGan;
pub use model::{Heard, OnSamples, Vocoder};
pub use wavenet::{WaveNet, WaveNetConfig, WaveNetNetwork};
