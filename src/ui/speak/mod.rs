//! The Speak page: text in, takes out, and each take on one time base.

mod commands;
mod composer;
mod dictionary;
mod difference;
mod edits;
pub mod example;
mod export;
mod faults;
mod files;
mod lanes;
mod page;
mod playback;
mod readout;
mod stage;
mod state;
mod systems;
mod take;
mod takes;
mod transport;

pub use dictionary::{DictionaryFile, DictionaryState};
pub use difference::Difference;
pub use edits::Quality;
pub use faults::{Fault, Faults, Mark};
pub use lanes::{Lane, LaneLayout};
pub use page::SpeakPage;
pub use readout::Readout;
pub use state::{Given, Selection, SpeakState, Speaking, View};
pub use take::{Phase, Piece, Take, TakeId};
