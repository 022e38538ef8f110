//! The `TextGrid`: tiers of labelled stretches of time, as Praat and the Montreal Forced Aligner have
//! it.

mod grid;
mod read;
mod speech;
mod timing;

pub use grid::{TextGrid, TextGridInterval, TextGridTier};
pub use read::TextGridError;
pub use speech::SpokenSpan;
pub use timing::{PhoneTiming, TimingError};
