//! Matcha-TTS: a mel by conditional flow matching, in a few steps from noise.

mod duration;
mod encoder;
mod flow;
mod network;
mod spline;
mod unet;
mod voice;

pub use duration::{Durations, Rounding, StochasticDurations};
pub use flow::{Flow, noise};
pub use network::{Encoded, Heads, Network};
pub use unet::{Taps, UNet};
pub use voice::{Matcha, MatchaConfig};
