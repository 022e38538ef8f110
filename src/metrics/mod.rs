//! How good speech is, in numbers: distances from a recording, intelligibility, machine listeners.
//!
//! Two kinds stand here. Distances need the same sentence as a recording: [`mel_distance()`],
//! [`f0_distance()`], [`stoi()`], [`pesq()`]. Judges need the sound alone: [`Dnsmos`] tells how clean it is, and
//! [`Whisper`] what is heard, which [`word_errors`] compares with what was to be said.

mod cepstrum;
mod dnsmos;
mod f0;
mod mel_distance;
mod pesq;
mod stoi;
pub mod whisper;
mod words;

pub use cepstrum::{CEPSTRUM, mel_cepstrum};
pub use dnsmos::{Dnsmos, SignalQuality};
pub use f0::{F0Distance, f0_distance};
pub use mel_distance::{MelDistance, mel_decibels, mel_distance};
pub use pesq::{Bandwidth, PesqError, pesq};
pub use stoi::{Intelligibility, stoi};
pub use whisper::Whisper;
pub use words::{scored_words, word_errors};
