//! The accelerator thread, and the typed way to it.
//!
//! One thread owns the device, the models and their caches; everybody else holds a [`Client`] and
//! hears of each job through its own [`EngineJob`]. Only plain data crosses.

mod accelerator;
mod adapters;
mod bench;
mod chat;
mod client;
mod compare;
mod drafting;
mod error;
mod evaluate;
mod import;
mod learnt;
mod models;
mod protocol;
mod speak;
mod status;

pub use bench::{
    BenchEvent, BenchModel, BenchPart, BenchRecord, BenchReport, BenchRequest, Effort, Memory,
    PeerRecord, PeerRequest, Perplexity, Ratios, SpeechBenchEvent, SpeechBenchReport,
    SpeechBenchRequest, SpeechEngine,
};
pub use client::{Client, EngineJob};
pub use compare::{CompareEvent, CompareRequest, Comparison};
pub use error::{Error, ErrorKind};
pub use evaluate::{EvaluateEvent, EvaluateRequest, Trial, held_out_sentences};
pub use import::ImportRequest;
pub use protocol::{
    ChatEvent, ChatRequest, ChatSummary, ChatTiming, SpeakEvent, SpeakRequest, Speech,
    SpokenSentence,
};
pub use status::{LoadedModel, ReplyMemory, Status};

pub use crate::lm::PastReplies;
