//! stand-in
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use crate::{domain::*, job::Cancelled};
use std::{path::Path, sync::Arc};
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
impl Error {
    pub fn is_bad_request(&self) -> bool {
        false
    }
}
pub struct LanguageModel;
impl LanguageModel {
    pub fn load(
        _: &Path,
        _: &mut dyn FnMut(u64, u64) -> Result<(), Cancelled>,
    ) -> Result<Self, Error> {
        Ok(Self)
    }
    pub fn context_length(&self) -> usize {
        0
    }
    pub fn n_bytes(&self) -> u64 {
        0
    }
    pub fn prompt(&self, _: &[Message]) -> Result<Vec<u32>, Error> {
        Ok(vec![])
    }
}
pub struct SequenceRequest {
    pub model: Arc<LanguageModel>,
    pub prompt: Vec<u32>,
    pub sampling: Sampling,
    pub max_tokens: usize,
    pub speculative: Speculative,
}
#[derive(Copy, Clone, Eq, Hash, PartialEq)]
pub struct SequenceId(pub u64);
pub enum SequenceEvent {
    Prefill { done: usize, total: usize, reused: usize },
    Step(DecodeStep),
    Finished { reason: FinishReason, text_tail: String },
    Failed(Error),
}
#[derive(Default)]
pub struct Scheduler;
impl Scheduler {
    pub fn add(&mut self, _: SequenceRequest) -> Result<SequenceId, Error> {
        Ok(SequenceId(0))
    }
    pub fn cancel(&mut self, _: SequenceId) {}
    pub fn is_idle(&self) -> bool {
        true
    }
    pub fn step(&mut self) -> Vec<(SequenceId, SequenceEvent)> {
        vec![]
    }
    pub fn kv_bytes(&self) -> u64 {
        0
    }
}
