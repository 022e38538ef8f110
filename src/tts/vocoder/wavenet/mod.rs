//! WaveNet: sound sample after sample.

mod network;
mod vocoder;

pub use network::Network as WaveNetNetwork;
pub use vocoder::{WaveNet, WaveNetConfig};
