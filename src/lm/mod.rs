//! Language models: from a prompt to the next tokens.
//!
//! [`LanguageModel`] is a file in memory; [`Scheduler`] writes several replies with it at once, a
//! step at a time, so that one thread can turn to other work in between.

mod adapters;
pub mod bench;

mod checkpoint;
mod config;
mod date;
mod error;
mod gguf;
mod head_config;
mod hugging_face;
mod inspect;
mod kept;
mod kv_cache;
mod logprobs;
mod model;
mod network;
mod pace;
mod sampling;
mod scheduler;
mod sentencepiece;
mod sequence;
mod shapes;
mod speculative;
mod template;
mod tensors;
mod text_stream;
#[cfg(test)]
mod tiny;
mod tokenizer;
mod transformer;

pub use adapters::{
    Adapter, AdapterInspection, AdapterProblem, AdapterSet, ModelSizes, inspect_adapter, is_adapter,
};
pub use error::{Error, ModelProblem};
pub use inspect::{Inspection, inspect};
pub use model::LanguageModel;
pub use network::Backend;
pub use scheduler::{Scheduler, SequenceEvent};
pub use sequence::{SequenceId, SequenceRequest};
pub use speculative::{
    About, Costs, Documents, Draft, Drafter, Eagle3Head, HeadInspection, Limits,
    MOST_DOCUMENT_BYTES, MOST_LEARNT_TOKENS, Misgrown, Node, PastReplies, PastSize, Precision,
    Sources, Verdict, build as build_drafter, inspect_head, is_head,
};
