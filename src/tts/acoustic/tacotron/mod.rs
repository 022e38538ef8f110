//! Tacotron: several frames a step, led by attention, and a linear spectrogram at the end.

mod cbhg;
mod decoder;
mod network;
mod voice;

pub use network::Network;
pub use voice::{Levels, Tacotron, TacotronConfig};
