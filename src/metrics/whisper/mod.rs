//! Speech to text, to tell how much of speech is understood: Whisper, in English.
//!
//! Source: "Robust Speech Recognition via Large-Scale Weak Supervision",
//! <https://arxiv.org/abs/2212.04356>, and <https://github.com/openai/whisper> `model.py`; names of
//! tensors as `CTranslate2` has them.

mod features;
mod network;
mod recognizer;

pub use features::{SPEECH_RATE, log_mel};
pub use network::{Memory, Network, Said};
pub use recognizer::Whisper;
