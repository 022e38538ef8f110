//! `formant bench`: how fast the language engine and speech are on this machine, beside peers if
//! wanted.

mod dialogue;
mod peer;
mod report;
mod request;
mod run;
mod speech;
mod texts;

pub use report::{BenchRecord, BenchReport, Memory, PeerRecord, Perplexity, Ratios};
pub use request::{BenchEvent, BenchModel, BenchPart, BenchRequest, Effort, PeerRequest};
pub(super) use run::run;
pub(super) use speech::run as run_speech;
pub use speech::{SpeechBenchEvent, SpeechBenchReport, SpeechBenchRequest, SpeechEngine};
