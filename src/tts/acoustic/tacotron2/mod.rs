//! Tacotron 2: a mel frame after frame, led by attention.

mod attention;
mod decoder;
mod encoder;
mod network;
mod postnet;
mod voice;

pub use attention::softmax;
pub use decoder::{Decoder, Utterance};
pub use network::Network;
pub use voice::{Tacotron2, Tacotron2Config};
