//! `formant bench engine`: how fast the language engine is on this machine, beside a peer if wanted.

mod peer;
mod report;
mod request;
mod run;
mod texts;

pub use report::{BenchRecord, BenchReport, Memory, PeerRecord, Perplexity, Ratios};
pub use request::{BenchEvent, BenchModel, BenchPart, BenchRequest, Effort, PeerRequest};
pub(super) use run::run;
