//! Speech systems put to the test: every sentence by every system, measured as it is made.

mod judges;
mod request;
mod run;
mod utterance;

pub use request::{EvaluateEvent, EvaluateRequest, Trial, held_out_sentences};
pub(super) use run::run;
