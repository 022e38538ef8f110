//! Several tokens from one pass: somebody guesses, the model verifies, nothing changes but the speed.

mod accept;
mod drafter;
mod ngram;

pub use accept::accept;
pub use drafter::{Draft, Drafter};
pub use ngram::Ngram;
