//! Several tokens from one pass: somebody guesses, the model verifies, nothing changes but the speed.

mod accept;
mod drafter;
mod ngram;

pub use accept::{Accepted, accept};
pub use drafter::{Draft, Drafter, Limits, Misgrown, Node};
pub use ngram::Ngram;
