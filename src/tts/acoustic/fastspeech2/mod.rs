//! FastSpeech 2: all frames at once, with durations, pitch and energy predicted per phoneme.

mod blocks;
mod network;
mod voice;

pub use network::{Heads, Network, Sizes, frames};
pub use voice::{FastSpeech2, FastSpeech2Config, Statistics};
