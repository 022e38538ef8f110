//! One reply being written.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Error, LanguageModel,
    adapters::{AdapterKey, AdapterSet},
    kept::{KeptCaches, common_prefix},
    logprobs::Logprobs,
    network::Cache,
    sampling::Sampler,
    speculative::{Accepted, Draft, Drafter, Limits, Verdict, accept},
    text_stream::TextStream,
    transformer::{Order, Span, Taps},
};
use crate::{
    domain::{
        DecodeStep, DraftedToken, FinishReason, Guess, MAX_DRAFT_TOKENS, MatchSource, Origin,
        Sampling, Speculative, StepDraft, Token,
    },
    job::panic_message,
};

/// A prompt and how it is to be continued.
#[derive(Clone)]
pub struct SequenceRequest {
    /// Who continues it.
    pub model: Arc<LanguageModel>,
    /// What the model is changed by while it does.
    pub adapters: AdapterSet,
    /// Token ids, from [`LanguageModel::prompt`].
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub max_tokens: usize,
    /// How several tokens may be had from one pass.
    pub speculative: Speculative,
    /// Alternatives to name beside each token, up to [`MAX_TOP_LOGPROBS`].
    ///
    /// [`MAX_TOP_LOGPROBS`]: crate::domain::MAX_TOP_LOGPROBS
    pub top_logprobs: usize,
}

/// The pass that logits come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) begun: Instant,
    /// How long it took.
    pub(super) time: Duration,
    /// Whether it was over rows of one reply only.
    pub(super) alone: bool,
}

/// Names a reply among those of one scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceId(pub(super) u64);

impl SequenceRequest {
    /// Length of prompt and reply at which it ends.
    pub(super) fn end(&self) -> usize {
        let context_length = self.model.network().config().context_length;
        self.prompt.len().saturating_add(self.max_tokens).min(context_length)
    }

    /// Bytes of its keys and values by then, with a draft that was made in vain.
    pub(super) fn kv_bytes_at_end(&self) -> u64 {
        self.model.network().cache_bytes(self.end() + MAX_DRAFT_TOKENS)
    }
}

/// See the module.
pub(super) struct Sequence {
    pub(super) id: SequenceId,
    pub(super) model: Arc<LanguageModel>,
    adapters: AdapterSet,
    pub(super) adapter_key: AdapterKey,
    pub(super) cache: Cache,
    pub(super) cancelled: bool,
    /// When its prompt was last read on, in steps; who waited longest is next.
    pub(super) last_turn: u64,
    /// The rows of the pass at hand; empty if it does not take part.
    rows: Vec<u32>,
    /// The row that each row but the first follows; empty if they follow each other.
    parents: Vec<usize>,
    /// Hidden states of the rows, for a drafter that wants them.
    hidden: Vec<f32>,
    /// Prompt and reply; the cache is behind by what has not been passed through.
    tokens: Vec<u32>,
    n_prompt: usize,
    n_reused: usize,
    /// Length of prompt and reply at which it ends.
    end: usize,
    kv_bytes_at_end: u64,
    sampler: Sampler,
    logprobs: Logprobs,
    drafter: Option<Box<dyn Drafter>>,
    draft: Draft,
    draft_time: Duration,
    text: TextStream,
}

impl Sequence {
    /// A reply about to be written; `cache` holds the first tokens of the prompt already.
    pub(super) fn new(
        id: SequenceId,
        request: SequenceRequest,
        drafter: Option<Box<dyn Drafter>>,
        logprobs: Logprobs,
        cache: Cache,
    ) -> Self {
        let (end, kv_bytes_at_end) = (request.end(), request.kv_bytes_at_end());
        let SequenceRequest { model, adapters, prompt, sampling, .. } = request;
        let n_vocab = model.network().config().n_vocab;
        Self {
            id,
            adapter_key: adapters.key(),
            adapters,
            n_prompt: prompt.len(),
            n_reused: cache.len(),
            end,
            kv_bytes_at_end,
            sampler: Sampler::new(sampling, &prompt, n_vocab),
            logprobs,
            drafter,
            cache,
            tokens: prompt,
            cancelled: false,
            last_turn: 0,
            rows: Vec::new(),
            parents: Vec::new(),
            hidden: Vec::new(),
            draft: Draft::default(),
            draft_time: Duration::ZERO,
            text: model.tokenizer().text_stream(),
            model,
        }
    }

    /// Whether the prompt has not been read to its end.
    pub(super) fn is_reading(&self) -> bool {
        self.cache.len() < self.n_prompt
    }

    /// Whether no pass has told what follows the prompt.
    pub(super) fn has_said_nothing(&self) -> bool {
        self.tokens.len() == self.n_prompt
    }

    /// Prompt tokens in the cache, in all, and those that came from another reply.
    pub(super) fn prefill_progress(&self) -> (usize, usize, usize) {
        (self.cache.len().min(self.n_prompt), self.n_prompt, self.n_reused)
    }

    /// Bytes that its keys and values may come to take.
    pub(super) fn kv_bytes_at_end(&self) -> u64 {
        // A cache that was taken over may be larger than this reply will ever need.
        self.kv_bytes_at_end.max(self.cache.n_bytes())
    }

    /// How many first tokens of a prompt its cache holds, short of the prompt's last: that one must
    /// be passed through to learn what follows it. None if other adapters were at work.
    pub(super) fn shared(
        &self,
        model: &Arc<LanguageModel>,
        adapters: &AdapterKey,
        prompt: &[u32],
    ) -> usize {
        if !Arc::ptr_eq(&self.model, model) || self.adapter_key != *adapters {
            return 0;
        }
        let held = &self.tokens[..self.cache.len()];
        common_prefix(held, prompt).min(prompt.len().saturating_sub(1))
    }

    /// The prompt that is being read.
    pub(super) fn prompt(&self) -> &[u32] {
        &self.tokens[..self.n_prompt]
    }

    /// Takes over the first tokens of the prompt from a reply whose cache holds them.
    pub(super) fn copy_prompt(&mut self, donor: &Cache, n_tokens: usize) {
        let before = self.cache.len();
        self.cache.copy_on(donor, n_tokens);
        self.n_reused += self.cache.len() - before;
    }

    /// How many rows it has in the pass at hand.
    pub(super) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// Leaves the pass at hand.
    pub(super) fn clear_rows(&mut self) {
        self.rows.clear();
        self.parents.clear();
        self.draft = Draft::default();
        self.draft_time = Duration::ZERO;
    }

    /// Puts up to `n_rows` of the prompt into the pass.
    pub(super) fn read_on(&mut self, n_rows: usize) {
        let from = self.cache.len();
        let to = self.n_prompt.min(from + n_rows);
        self.rows.extend_from_slice(&self.tokens[from..to]);
    }

    /// Puts the last token and a draft of what follows into the pass; returns how many tokens the
    /// draft has, `n_tokens` at most.
    ///
    /// # Errors
    /// If what the drafter made is no draft.
    pub(super) fn guess(&mut self, n_tokens: usize) -> Result<usize, Error> {
        let begun = Instant::now();
        // One token comes from the model itself.
        let limits = Limits { n_tokens, depth: self.end - self.tokens.len() - 1 };
        if let Some(drafter) = self.drafter.as_mut().filter(|_| n_tokens > 0) {
            let mut draft = drafter.draft(&self.tokens, limits);
            draft.check(self.model.network().config().n_vocab)?;
            draft.prune(limits);
            self.draft = draft;
        }
        self.draft_time = begun.elapsed();
        self.rows.extend(self.tokens.last());
        self.rows.extend(self.draft.nodes().iter().map(|node| node.token));
        if !self.draft.is_chain() {
            let row = |node: Option<usize>| node.map_or(0, |node| node + 1);
            self.parents.extend(self.draft.nodes().iter().map(|node| row(node.parent)));
        }
        Ok(self.draft.len())
    }

    /// Its part in the pass at hand.
    pub(super) fn span(&mut self) -> Span<'_, Cache> {
        let reads_all = self.cache.len() + self.rows.len() >= self.n_prompt;
        let n_logits = if reads_all { 1 + self.draft.len() } else { 0 };
        let layers = self.drafter.as_ref().map_or(&[][..], |drafter| drafter.taps());
        Span {
            tokens: &self.rows,
            order: if self.parents.is_empty() { Order::Chain } else { Order::Tree(&self.parents) },
            cache: &mut self.cache,
            adapters: &self.adapters,
            wanted: self.rows.len() - n_logits..self.rows.len(),
            taps: (!layers.is_empty()).then_some(Taps { layers, hidden: &mut self.hidden }),
        }
    }

    /// Takes in the logits of a pass, none of a stretch in the middle of the prompt: which tokens
    /// joined the reply, and whether that was its end.
    ///
    /// # Errors
    /// If the logits are no numbers.
    pub(super) fn take_in(
        &mut self,
        logits: &[f32],
        pass: Pass,
    ) -> Result<(Option<DecodeStep>, Option<FinishReason>), Error> {
        let base = self.cache.len() - self.rows.len();
        if logits.is_empty() {
            self.tell_drafter(base);
            return Ok((None, None));
        }
        let Self { model, sampler, tokens, draft, .. } = self;
        let n_before = tokens.len();
        let n_vocab = model.network().config().n_vocab;
        let logits_after = |row: usize| &logits[row * n_vocab..][..n_vocab];
        let mut position = n_before;
        let Accepted { tokens: mut said, mut rows } = accept(draft, |row| {
            let token = sampler.choose(logits_after(row), position)?;
            sampler.observe(token);
            position += 1;
            Ok::<_, Error>(token)
        })?;
        let tokenizer = model.tokenizer();
        let stop = said.iter().position(|&id| tokenizer.is_stop(id));
        said.truncate(stop.unwrap_or(said.len()));

        // What was drafted in vain, or behind the end, is forgotten.
        let accepted = (rows.len() - 1).min(said.len());
        tokens.extend_from_slice(&said);
        let said = self.describe(&said, &rows, logits_after, accepted);
        rows.truncate(1 + accepted);
        self.keep_rows(base, &rows);
        self.tell_drafter(base);
        let (drafted, draft_time) = (self.draft.len(), self.draft_time);
        if let Some(drafter) = self.drafter.as_mut().filter(|_| n_before > self.n_prompt) {
            let Pass { alone, time: pass_time, .. } = pass;
            drafter.judge(&Verdict { drafted, accepted, alone, draft_time, pass_time });
        }
        let step = DecodeStep {
            drafted,
            accepted,
            tokens: said,
            draft: self.describe_draft(&rows),
            choice: self.draft.about().choice.clone(),
            draft_time,
            verify_time: pass.begun.elapsed(),
        };
        let reason = match stop {
            Some(_) => Some(FinishReason::Stop),
            None if self.tokens.len() >= self.end => Some(FinishReason::Length),
            None => None,
        };
        Ok((Some(step), reason))
    }

    /// What there is to say about tokens that join the reply, each drawn from the logits of a row.
    fn describe<'l>(
        &mut self,
        ids: &[u32],
        rows: &[usize],
        logits_after: impl Fn(usize) -> &'l [f32],
        accepted: usize,
    ) -> Vec<Token> {
        let Self { model, logprobs, text, draft, tokens, .. } = self;
        let copied = draft.about().matched.as_ref();
        let copied = copied.filter(|matched| matched.source == MatchSource::Context);
        let guess = |n: usize, id: u32| {
            // The row of a node is one behind its number.
            let probability = draft.probability(rows[n + 1] - 1);
            let source = copied.map(|matched| matched.positions.end + n);
            let copied_from = source.filter(|at| tokens.get(*at) == Some(&id));
            let method = draft.about().method?;
            Some(Guess { method, position: n + 1, probability, copied_from })
        };
        let token = |(n, (&id, &row)): (usize, (&u32, &usize))| {
            let (logprob, top_logprobs) = logprobs.of(model, logits_after(row), id);
            let origin = if n < accepted { Origin::Drafted } else { Origin::Sampled };
            let guess = if n < accepted { guess(n, id) } else { None };
            let text = text.push(model.tokenizer().bytes(id));
            Token { id, text, origin, guess, logprob, top_logprobs }
        };
        ids.iter().zip(rows).enumerate().map(token).collect()
    }

    /// The draft for those who watch; `rows` stand.
    fn describe_draft(&self, rows: &[usize]) -> Option<StepDraft> {
        let Self { draft, model, .. } = self;
        let node = |(idx, node): (usize, &super::Node)| DraftedToken {
            id: node.token,
            text: model.token_text(node.token),
            parent: node.parent,
            probability: draft.probability(idx),
            accepted: rows.contains(&(idx + 1)),
        };
        let nodes: Vec<_> = draft.nodes().iter().enumerate().map(node).collect();
        let (method, matched) = (draft.about().method, draft.about().matched.clone());
        (!nodes.is_empty()).then_some(StepDraft { method, nodes, matched })
    }

    /// Forgets the rows of the pass that do not stand; `rows` do.
    fn keep_rows(&mut self, base: usize, rows: &[usize]) {
        if self.draft.is_empty() {
            return;
        }
        self.cache.compact(base, rows);
        let width = self.hidden.len() / self.rows.len();
        for (i, row) in rows.iter().enumerate().filter(|(i, row)| i != *row) {
            self.hidden.copy_within(row * width..(row + 1) * width, i * width);
        }
        self.hidden.truncate(rows.len() * width);
    }

    /// Hands on the hidden states of what has joined the cache from `base` on.
    fn tell_drafter(&mut self, base: usize) {
        if let Some(drafter) = &mut self.drafter
            && !drafter.taps().is_empty()
        {
            drafter.observe(base, &self.hidden);
        }
    }

    /// What is left of the text.
    pub(super) fn text_tail(&mut self) -> String {
        self.text.finish()
    }

    /// What it leaves behind: its tokens, and the keys and values of the first of them.
    pub(super) fn leave_cache(self, kept: &mut KeptCaches) {
        kept.keep(&self.model, self.adapter_key, self.tokens, self.cache);
    }
}

/// Does something for one reply; a panic in it is that reply's error, and nobody else's.
///
/// # Errors
/// Whatever `work` failed with, or [`Error::Panicked`].
pub(super) fn isolated<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // What the reply was doing is not looked at again: it ends.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::Panicked(panic_message(&*panic))))
}
