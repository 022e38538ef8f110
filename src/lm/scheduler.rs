//! Writes several replies at once, a step at a time.
//!
//! Each step is one pass of the model over a row for every reply that is being written, their
//! drafts, and a stretch of one prompt that is still being read (continuous batching with chunked
//! prefill, <https://arxiv.org/abs/2308.16369>). So a long prompt does not hold up the others, and
//! the thread is free again within some 50 ms (some 200 ms while a prompt is all there is).
//!
//! Replies wait until the keys and values that they may come to need fit beside those of the others,
//! so none is ever given up half-way for want of memory.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    Error, LanguageModel,
    kept::KeptCaches,
    logprobs::Logprobs,
    network::{Cache, PassError},
    pace::{Company, Paces},
    sequence::{Pass, Sequence, SequenceId, SequenceRequest, isolated},
    speculative::{self, Drafter, Misgrown},
    transformer::{Scratch, Span},
};
use crate::{
    domain::{DecodeStep, FinishReason, MAX_DRAFT_TOKENS},
    job::Cancelled,
    nn::{device::default_kv_budget, kernels::Pool},
};

/// Replies written at once; more of them wait.
const MAX_RUNNING: usize = 16;

/// Replies that may wait.
const MAX_WAITING: usize = 64;

/// Tokens that may be drafted for all replies of a pass, so that it stays short in company.
const MAX_DRAFT_TOKENS_OF_PASS: usize = 128;

/// What happened to a reply.
#[derive(Debug)]
pub enum SequenceEvent {
    /// It waits for room; said again when others before it have begun.
    Waiting {
        /// Replies that wait before it.
        ahead: usize,
    },
    /// A stretch of the prompt was read.
    Prefill {
        /// Prompt tokens read so far.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
        /// Prompt tokens that were known from another reply.
        reused: usize,
    },
    /// The reply grew.
    Step(DecodeStep),
    /// The reply is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Text that no step could show: `�` for a character that was never completed.
        text_tail: String,
    },
    /// The reply cannot be completed.
    Failed(Error),
}

type Events = Vec<(SequenceId, SequenceEvent)>;

/// A request that has not been begun.
struct Waiting {
    id: SequenceId,
    request: SequenceRequest,
    drafter: Option<Box<dyn Drafter>>,
    logprobs: Logprobs,
    /// How many it was told to be before it.
    ahead: Option<usize>,
}

/// The replies under way and what earlier ones left behind.
pub struct Scheduler {
    n_added: u64,
    n_steps: u64,
    kv_budget: u64,
    waiting: VecDeque<Waiting>,
    cancelled_waiting: Vec<SequenceId>,
    running: Vec<Sequence>,
    kept: KeptCaches,
    scratch: Scratch,
    paces: Paces,
    in_company: bool,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            n_added: 0,
            n_steps: 0,
            kv_budget: default_kv_budget(),
            waiting: VecDeque::new(),
            cancelled_waiting: Vec::new(),
            running: Vec::new(),
            kept: KeptCaches::default(),
            scratch: Scratch::default(),
            paces: Paces::default(),
            in_company: false,
        }
    }
}

impl Scheduler {
    /// No replies yet; passes will share their work among the threads of `pool`.
    pub fn new(pool: Arc<Pool>) -> Self {
        let mut scheduler = Self::default();
        scheduler.set_pool(pool);
        scheduler
    }

    /// Lets passes share their work among other threads from the next one on.
    pub fn set_pool(&mut self, pool: Arc<Pool>) {
        self.scratch.set_pool(pool);
    }

    /// Takes in a request; its first event comes with one of the next steps.
    ///
    /// # Errors
    /// If the prompt is empty or leaves no room for a reply, a parameter is out of range, its keys
    /// and values could never fit, too many replies wait already, or its speculation needs what only
    /// the caller of [`Scheduler::add_with_drafter`] can provide.
    pub fn add(&mut self, request: SequenceRequest) -> Result<SequenceId, Error> {
        let drafter = speculative::build(&request, &speculative::Sources::default())?;
        self.add_with_drafter(request, drafter)
    }

    /// As [`Scheduler::add`], with a drafter of the caller's in the place of the request's.
    ///
    /// # Errors
    /// As [`Scheduler::add`], or if the drafter wants to hear of a layer that the model does not
    /// have.
    pub fn add_with_drafter(
        &mut self,
        request: SequenceRequest,
        drafter: Option<Box<dyn Drafter>>,
    ) -> Result<SequenceId, Error> {
        check(&request)?;
        let last = request.model.network().config().n_layers;
        let taps = drafter.as_ref().map_or(&[][..], |drafter| drafter.taps());
        if let Some(&layer) = taps.iter().find(|layer| **layer > last) {
            return Err(Misgrown::Tap { layer, last }.into());
        }
        self.check_fits(&request)?;
        let logprobs = Logprobs::new(request.top_logprobs)?;
        if self.waiting.len() >= MAX_WAITING {
            return Err(Error::Busy { waiting: self.waiting.len() });
        }
        self.n_added += 1;
        let id = SequenceId(self.n_added);
        self.waiting.push_back(Waiting { id, request, drafter, logprobs, ahead: None });
        Ok(id)
    }

    /// Ends a reply; its [`SequenceEvent::Finished`] comes with the next step.
    pub fn cancel(&mut self, id: SequenceId) {
        if let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) {
            sequence.cancelled = true;
        }
        if let Some(idx) = self.waiting.iter().position(|waiting| waiting.id == id) {
            self.waiting.remove(idx);
            self.cancelled_waiting.push(id);
        }
    }

    /// Sets how many bytes the keys and values of all replies may take together. Replies under way
    /// go on; those that wait do so until they fit.
    pub fn set_kv_budget(&mut self, n_bytes: u64) {
        self.kv_budget = n_bytes;
        self.let_go_kept();
    }

    /// Says whether something else waits for this thread between steps: they are kept short then.
    pub fn set_in_company(&mut self, in_company: bool) {
        self.in_company = in_company;
    }

    /// Whether a step would do nothing.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.cancelled_waiting.is_empty()
    }

    /// Bytes of keys and values, of replies under way and of ended ones.
    pub fn kv_bytes(&self) -> u64 {
        let running: u64 = self.running.iter().map(|sequence| sequence.cache.n_bytes()).sum();
        running + self.kept.n_bytes()
    }

    /// Bytes that keys and values may take.
    pub fn kv_budget(&self) -> u64 {
        self.kv_budget
    }

    /// Bytes of the buffers that passes use again and again.
    pub fn scratch_bytes(&self) -> u64 {
        self.scratch.n_bytes()
    }

    /// One pass over all replies under way, and what came of it.
    pub fn step(&mut self) -> Events {
        self.step_checked(&mut || Ok(()))
    }

    /// As [`Scheduler::step`], but drops the pass when `check` says so, as if it had not begun.
    ///
    /// `check` is asked before every layer, so that models too slow for steps of 50 ms can be
    /// stopped within one.
    pub fn step_checked(&mut self, check: &mut dyn FnMut() -> Result<(), Cancelled>) -> Events {
        self.n_steps += 1;
        let mut events = Vec::new();
        self.end_cancelled(&mut events);
        self.admit(&mut events);
        for model in self.models() {
            self.assemble(&model, &mut events);
            if self.pass(&model, check, &mut events).is_err() {
                break;
            }
        }
        events
    }

    fn end_cancelled(&mut self, events: &mut Events) {
        let reason = FinishReason::Cancelled;
        for id in self.cancelled_waiting.drain(..) {
            let text_tail = String::new();
            events.push((id, SequenceEvent::Finished { reason, text_tail }));
        }
        for mut sequence in self.running.extract_if(.., |sequence| sequence.cancelled) {
            let text_tail = sequence.text_tail();
            events.push((sequence.id, SequenceEvent::Finished { reason, text_tail }));
            sequence.leave_cache(&mut self.kept);
        }
        self.let_go_kept();
    }

    /// Bytes that the replies under way may come to need.
    fn reserved(&self) -> u64 {
        self.running.iter().map(Sequence::kv_bytes_at_end).sum()
    }

    /// Drops what is kept of ended replies where others need the room or nobody the model.
    fn let_go_kept(&mut self) {
        self.kept.forget_unused_models();
        self.kept.shrink(self.kv_budget.saturating_sub(self.reserved()));
    }

    /// Whether a request's keys and values would fit if it were alone.
    fn check_fits(&self, request: &SequenceRequest) -> Result<(), Error> {
        let (needed, n_tokens) = (request.kv_bytes_at_end(), request.end());
        let budget = self.kv_budget;
        if needed > budget {
            return Err(Error::KvTooLarge { needed, budget, n_tokens });
        }
        Ok(())
    }

    /// Begins replies in the order they came, for as long as the next one fits.
    fn admit(&mut self, events: &mut Events) {
        while self.running.len() < MAX_RUNNING
            && let Some(next) = self.waiting.front()
        {
            // The budget may have become smaller since it was added.
            if let Err(error) = self.check_fits(&next.request) {
                events.push((next.id, SequenceEvent::Failed(error)));
                self.waiting.pop_front();
                continue;
            }
            if self.reserved() + next.request.kv_bytes_at_end() > self.kv_budget {
                break;
            }
            let Some(next) = self.waiting.pop_front() else { break };
            let Waiting { id, request, drafter, logprobs, .. } = next;
            // What a running reply knows better is copied from there when the prompt is read.
            let SequenceRequest { model, prompt, .. } = &request;
            let adapters = request.adapters.key();
            let known = self.running.iter().map(|other| other.shared(model, &adapters, prompt));
            let known = known.max().unwrap_or(0);
            let cache = self.kept.begin(model, &adapters, prompt, known);
            self.running.push(Sequence::new(id, request, drafter, logprobs, cache));
            self.let_go_kept();
        }
        for (ahead, waiting) in self.waiting.iter_mut().enumerate() {
            if waiting.ahead != Some(ahead) {
                waiting.ahead = Some(ahead);
                events.push((waiting.id, SequenceEvent::Waiting { ahead }));
            }
        }
    }

    /// The models of the replies under way, each once.
    fn models(&self) -> Vec<Arc<LanguageModel>> {
        let mut models: Vec<Arc<LanguageModel>> = Vec::new();
        for sequence in &self.running {
            if !models.iter().any(|model| Arc::ptr_eq(model, &sequence.model)) {
                models.push(Arc::clone(&sequence.model));
            }
        }
        models
    }

    /// Decides which rows each reply of a model has in the next pass. A reply whose drafter is at
    /// fault ends here.
    fn assemble(&mut self, model: &Arc<LanguageModel>, events: &mut Events) {
        let mut n_decoded = 0;
        let mut n_drafts_left = MAX_DRAFT_TOKENS_OF_PASS;
        let mut failed = Vec::new();
        let mut next_reader: Option<(usize, u64)> = None;
        for (idx, sequence) in self.running.iter_mut().enumerate() {
            sequence.clear_rows();
            if !Arc::ptr_eq(&sequence.model, model) {
                continue;
            }
            if sequence.is_reading() {
                if next_reader.is_none_or(|(_, last_turn)| sequence.last_turn < last_turn) {
                    next_reader = Some((idx, sequence.last_turn));
                }
                continue;
            }
            let n_tokens = MAX_DRAFT_TOKENS.min(n_drafts_left);
            match isolated(|| sequence.guess(n_tokens)) {
                Ok(n_drafted) => n_drafts_left -= n_drafted,
                Err(error) => failed.push((sequence.id, error)),
            }
            n_decoded += sequence.n_rows();
        }
        if let Some((idx, _)) = next_reader {
            self.catch_up(idx);
            let alone = self.running.len() == 1 && !self.in_company;
            let company = if alone { Company::None } else { Company::Waiting };
            let reader = &mut self.running[idx];
            reader.last_turn = self.n_steps;
            reader.read_on(self.paces.prompt_rows(model, n_decoded, company));
        }
        self.fail(failed, events);
    }

    /// Copies to a reply that reads its prompt what others of the same beginning have read since.
    fn catch_up(&mut self, reader_idx: usize) {
        let reader = &self.running[reader_idx];
        let known =
            |other: &Sequence| other.shared(&reader.model, &reader.adapter_key, reader.prompt());
        let others = self.running.iter().map(known).enumerate();
        let best = others.filter(|(idx, _)| *idx != reader_idx).max_by_key(|(_, known)| *known);
        let Some((donor_idx, known)) = best else { return };
        if let Ok([reader, donor]) = self.running.get_disjoint_mut([reader_idx, donor_idx]) {
            reader.copy_prompt(&donor.cache, known);
        }
    }

    /// Ends replies that are at fault; what they knew goes with them.
    fn fail(&mut self, failed: Vec<(SequenceId, Error)>, events: &mut Events) {
        for (id, error) in failed {
            self.running.retain(|sequence| sequence.id != id);
            events.push((id, SequenceEvent::Failed(error)));
        }
    }

    fn pass(
        &mut self,
        model: &Arc<LanguageModel>,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
        events: &mut Events,
    ) -> Result<(), Cancelled> {
        let begun = Instant::now();
        let takes_part = |sequence: &&mut Sequence| sequence.n_rows() > 0;
        let spans: Vec<Span<'_, Cache>> =
            self.running.iter_mut().filter(takes_part).map(Sequence::span).collect();
        let n_wanted: Vec<usize> = spans.iter().map(|span| span.wanted.len()).collect();
        let n_rows = spans.iter().map(|span| span.tokens.len()).sum();
        let mut logits = match model.network().forward(spans, &mut self.scratch, check) {
            Ok(logits) => logits,
            Err(PassError::Cancelled(cancelled)) => return Err(cancelled),
            Err(PassError::Device(fault)) => {
                let at_fault = self.running.iter().filter(|sequence| sequence.n_rows() > 0);
                let failed = at_fault.map(|sequence| (sequence.id, fault.clone().into())).collect();
                self.fail(failed, events);
                return Ok(());
            }
        };
        let pass = Pass { begun, time: begun.elapsed(), alone: n_wanted.len() == 1 };
        self.paces.observe(model, n_rows, pass.time);

        let n_vocab = model.network().config().n_vocab;
        let (mut ended, mut failed) = (Vec::new(), Vec::new());
        for (sequence, n_wanted) in self.running.iter_mut().filter(takes_part).zip(n_wanted) {
            let own;
            (own, logits) = logits.split_at(n_wanted * n_vocab);
            let (done, total, reused) = sequence.prefill_progress();
            if sequence.has_said_nothing() {
                events.push((sequence.id, SequenceEvent::Prefill { done, total, reused }));
            }
            let (step, reason) = match isolated(|| sequence.take_in(own, pass)) {
                Ok(news) => news,
                Err(error) => {
                    failed.push((sequence.id, error));
                    continue;
                }
            };
            let has_news = |step: &DecodeStep| !step.tokens.is_empty() || step.drafted > 0;
            events
                .extend(step.filter(has_news).map(|step| (sequence.id, SequenceEvent::Step(step))));
            if let Some(reason) = reason {
                let text_tail = sequence.text_tail();
                events.push((sequence.id, SequenceEvent::Finished { reason, text_tail }));
                ended.push(sequence.id);
            }
        }
        self.fail(failed, events);
        for sequence in self.running.extract_if(.., |sequence| ended.contains(&sequence.id)) {
            sequence.leave_cache(&mut self.kept);
        }
        self.let_go_kept();
        Ok(())
    }
}

fn check(request: &SequenceRequest) -> Result<(), Error> {
    let SequenceRequest { model, adapters, prompt, sampling, max_tokens, .. } = request;
    let config = model.network().config();
    if !adapters.is_empty() && !model.network().takes_adapters() {
        return Err(Error::AdapterOnDevice);
    }
    if let Some((adapter, _)) = adapters.iter().find(|(adapter, _)| !adapter.fits(config)) {
        return Err(Error::AdapterOfOtherModel { adapter: adapter.name().to_owned() });
    }
    if prompt.is_empty() {
        return Err(Error::EmptyPrompt);
    }
    if prompt.len() >= config.context_length {
        let (n_tokens, context_length) = (prompt.len(), config.context_length);
        return Err(Error::PromptTooLong { n_tokens, context_length });
    }
    if let Some(&id) = prompt.iter().find(|&&id| id as usize >= config.n_vocab) {
        return Err(Error::UnknownToken { id, last: config.n_vocab - 1 });
    }
    if *max_tokens == 0 {
        return Err(Error::NoTokens);
    }
    sampling.problem().map_or(Ok(()), |problem| Err(Error::Sampling(problem)))
}

#[cfg(test)]
#[path = "scheduler_adapter_tests.rs"]
mod adapter_tests;
#[cfg(test)]
#[path = "scheduler_random_tests.rs"]
mod random_tests;
#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
