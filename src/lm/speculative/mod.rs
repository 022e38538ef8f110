//! Several tokens from one pass: somebody guesses, the model verifies, nothing changes but the speed.

mod accept;
mod adaptive;
mod build;
mod costs;
mod draft_model;
mod drafter;
mod eagle3;
mod head;
mod head_files;
mod ngram;
mod past;
mod retrieval;
mod suffix;
mod trie;

pub use accept::{Accepted, accept};
pub use adaptive::Adaptive;
pub use build::{Sources, build};
pub use costs::Costs;
pub use draft_model::DraftModel;
pub use drafter::{About, Draft, Drafter, Limits, Misgrown, Node, Verdict};
pub use eagle3::Eagle3;
pub use head::{Eagle3Head, Precision};
pub use head_files::{HeadInspection, inspect_head, is_head};
pub use ngram::Ngram;
pub use past::{MOST_TOKENS as MOST_LEARNT_TOKENS, PastReplies, PastSize};
pub use retrieval::{Documents, MOST_DOCUMENT_BYTES, Retrieval};
pub use suffix::Suffix;
