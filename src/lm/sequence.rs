//! One reply being written.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Error, LanguageModel,
    kv_cache::KvCache,
    logprobs::Logprobs,
    sampling::Sampler,
    speculative::{Draft, Drafter, accept},
    text_stream::TextStream,
};
use crate::domain::{DecodeStep, FinishReason, Origin, Sampling, Speculative, Token};

/// A prompt and how it is to be continued.
#[derive(Clone)]
pub struct SequenceRequest {
    /// Who continues it.
    pub model: Arc<LanguageModel>,
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

/// Names a reply among those of one scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceId(pub(super) u64);

/// See the module.
pub(super) struct Sequence {
    pub(super) id: SequenceId,
    pub(super) model: Arc<LanguageModel>,
    pub(super) cache: KvCache,
    pub(super) cancelled: bool,
    /// When its prompt was last read on, in steps; who waited longest is next.
    pub(super) last_turn: u64,
    /// The rows of the pass at hand; empty if it does not take part.
    pub(super) rows: Vec<u32>,
    /// Prompt and reply; the cache is behind by what has not been passed through.
    tokens: Vec<u32>,
    n_prompt: usize,
    n_reused: usize,
    /// Length of prompt and reply at which it ends.
    end: usize,
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
        cache: KvCache,
    ) -> Self {
        let SequenceRequest { model, prompt, sampling, max_tokens, .. } = request;
        let config = model.transformer().config();
        Self {
            logprobs,
            id,
            n_prompt: prompt.len(),
            n_reused: cache.len(),
            end: prompt.len().saturating_add(max_tokens).min(config.context_length),
            sampler: Sampler::new(sampling, &prompt, config.n_vocab),
            drafter,
            cache,
            tokens: prompt,
            cancelled: false,
            last_turn: 0,
            rows: Vec::new(),
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

    /// Prompt tokens in the cache, in all, and those that were there from the start.
    pub(super) fn prefill_progress(&self) -> (usize, usize, usize) {
        (self.cache.len().min(self.n_prompt), self.n_prompt, self.n_reused)
    }

    /// Puts up to `n_rows` of the prompt into the pass.
    pub(super) fn read_on(&mut self, n_rows: usize) {
        let from = self.cache.len();
        let to = self.n_prompt.min(from + n_rows);
        self.rows.clear();
        self.rows.extend_from_slice(&self.tokens[from..to]);
        self.draft = Draft::default();
        self.draft_time = Duration::ZERO;
    }

    /// Puts the last token and a draft of what follows into the pass.
    pub(super) fn guess(&mut self) {
        let begun = Instant::now();
        // One token comes from the model itself.
        let room = self.end - self.tokens.len() - 1;
        self.draft = match &mut self.drafter {
            Some(drafter) => drafter.draft(&self.tokens, room),
            None => Draft::default(),
        };
        self.draft.tokens.truncate(room);
        self.draft_time = begun.elapsed();
        self.rows.clear();
        self.rows.extend(self.tokens.last());
        self.rows.extend_from_slice(&self.draft.tokens);
    }

    /// How many of the pass's last rows must tell what follows them.
    pub(super) fn n_logits(&self) -> usize {
        let reads_all = self.cache.len() + self.rows.len() >= self.n_prompt;
        if reads_all { 1 + self.draft.tokens.len() } else { 0 }
    }

    /// Takes in the logits of a pass: which tokens joined the reply, and whether that was its end.
    ///
    /// # Errors
    /// If the logits are no numbers.
    pub(super) fn verify(
        &mut self,
        logits: &[f32],
        pass_begun: Instant,
    ) -> Result<(DecodeStep, Option<FinishReason>), Error> {
        let Self { model, sampler, logprobs, tokens, draft, text, .. } = self;
        let tokenizer = model.tokenizer();
        let n_before = tokens.len();
        let n_vocab = model.transformer().config().n_vocab;
        let logits_after = |n: usize| &logits[n * n_vocab..][..n_vocab];
        let mut said = accept(&draft.tokens, |n| {
            let token = sampler.choose(logits_after(n), n_before + n)?;
            sampler.observe(token);
            Ok::<_, Error>(token)
        })?;
        let accepted = said.len() - 1;
        let stop = said.iter().position(|&id| tokenizer.is_stop(id));
        said.truncate(stop.unwrap_or(said.len()));

        // What was drafted in vain, or behind the end, is forgotten.
        self.cache.truncate(n_before + accepted.min(said.len()));
        tokens.extend_from_slice(&said);
        let said = said.into_iter().enumerate().map(|(n, id)| {
            let (logprob, top_logprobs) = logprobs.of(model, logits_after(n), id);
            let origin = if n < accepted { Origin::Drafted } else { Origin::Sampled };
            Token { id, text: text.push(tokenizer.bytes(id)), origin, logprob, top_logprobs }
        });
        let said: Vec<Token> = said.collect();
        let step = DecodeStep {
            drafted: draft.tokens.len(),
            accepted: accepted.min(said.len()),
            tokens: said,
            draft_time: self.draft_time,
            verify_time: pass_begun.elapsed(),
        };
        let reason = match stop {
            Some(_) => Some(FinishReason::Stop),
            None if tokens.len() >= self.end => Some(FinishReason::Length),
            None => None,
        };
        Ok((step, reason))
    }

    /// What is left of the text.
    pub(super) fn text_tail(&mut self) -> String {
        self.text.finish()
    }

    /// What it leaves behind: its tokens, and the keys and values of the first of them.
    pub(super) fn into_cache(self) -> (Arc<LanguageModel>, Vec<u32>, KvCache) {
        (self.model, self.tokens, self.cache)
    }
}
