//! Text to phonemes.

mod abbreviations;
mod fold;
mod front_end;
mod g2p;
mod ipa;
mod lexicon;
mod normalize;
mod numbers;
mod pronunciation;
mod quantities;
mod sentences;
mod spelling;
mod stretches;
mod units;
mod weak_forms;

pub use front_end::FrontEnd;
pub use g2p::G2p;
pub use lexicon::Lexicon;
