//! Several tokens from one pass: somebody guesses, the model verifies, nothing changes but the speed.

mod accept;
mod build;
mod drafter;
mod ngram;
mod past;
mod retrieval;
mod suffix;
mod trie;

pub use accept::{Accepted, accept};
pub use build::{Sources, build};
pub use drafter::{About, Draft, Drafter, Limits, Misgrown, Node, Verdict};
pub use ngram::Ngram;
pub use past::{PastReplies, PastSize};
pub use retrieval::{Documents, MOST_DOCUMENT_BYTES, Retrieval};
pub use suffix::Suffix;
