//! Text to mel to sound.
//!
//! [`FrontEnd`] turns text into sentences and sentences into phonemes, an [`AcousticModel`] turns
//! phonemes into a mel with its alignment and prosody, a [`Vocoder`] turns the mel into sound.

mod description;
mod error;
mod load;
mod recognize;
mod symbols;

pub mod acoustic;
pub mod text;
pub mod vocoder;

pub use acoustic::{AcousticModel, Acoustics, Manner};
pub use error::Error;
pub use load::{load_acoustic, load_fastspeech2, load_hifigan, load_vocoder};
pub use recognize::{Complaint, Recognized, inspect};
pub use symbols::SymbolTable;
pub use text::{FrontEnd, G2p};
pub use vocoder::{GriffinLim, Heard, MelReader, Vocoder};
