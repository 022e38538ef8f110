//! What one decode step did, and how a reply came to its end.

use std::{ops::AddAssign, time::Duration};

use serde::{Deserialize, Serialize};

/// How several tokens may be had from one pass of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "method")]
pub enum Speculative {
    /// One token per pass.
    None,
    /// n-gram prompt lookup: what followed the last tokens the first time is the draft.
    Ngram {
        /// Shortest n-gram that may match.
        min: usize,
        /// Longest n-gram that is looked for first.
        max: usize,
        /// Tokens to draft at most.
        draft_tokens: usize,
    },
}

impl Speculative {
    /// n-gram lookup with vLLM's customary 3..=5 and three draft tokens.
    pub const NGRAM: Self = Self::Ngram { min: 3, max: 5, draft_tokens: 3 };
}

/// The most alternatives that may be asked for beside each token, as in vLLM.
pub const MAX_TOP_LOGPROBS: usize = 20;

/// Where a token of a reply comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It was guessed, and the model said the same.
    Drafted,
    /// The model chose it where nothing, or something else, was guessed.
    Sampled,
}

/// A token of a reply, and how likely it was.
///
/// Log-probabilities are natural logarithms of the softmax of the model's own logits, before the
/// repetition penalty, the temperature and the cuts of [`Sampling`](super::Sampling): what vLLM
/// calls `raw_logprobs`, its default. They do not depend on speculation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its place in the vocabulary.
    pub id: u32,
    /// The text that it completed; may lag behind by an unfinished character.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
    /// How likely it was.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub logprob: f32,
    /// The likeliest tokens in its place, this one perhaps among them; as many as were asked for.
    pub top_logprobs: Vec<Alternative>,
}

/// A token that might have stood in a place, and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its place in the vocabulary.
    pub id: u32,
    /// What it would have written; the name of a token that writes nothing.
    pub text: String,
    /// How likely it was.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub logprob: f32,
}

/// One pass of the model over one sequence, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeStep {
    /// Tokens that joined the reply: the accepted draft, then one of the target's own.
    pub tokens: Vec<Token>,
    /// Tokens that were drafted for this pass.
    pub drafted: usize,
    /// How many of them were accepted.
    pub accepted: usize,
    /// Time spent drafting.
    pub draft_time: Duration,
    /// Time from the start of the pass to its verdict.
    pub verify_time: Duration,
}

impl DecodeStep {
    /// The text that its tokens completed.
    pub fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect()
    }

    /// A step of some tokens, the first of which wrote all the text.
    #[cfg(test)]
    pub fn for_tests(text: &str, n_tokens: usize, drafted: usize) -> Self {
        let token = |token_idx| Token {
            id: 7,
            text: if token_idx == 0 { text.to_owned() } else { String::new() },
            origin: if token_idx + 1 < n_tokens { Origin::Drafted } else { Origin::Sampled },
            logprob: -0.5,
            top_logprobs: Vec::new(),
        };
        Self {
            tokens: (0..n_tokens).map(token).collect(),
            drafted,
            accepted: n_tokens - 1,
            draft_time: Duration::from_micros(50),
            verify_time: Duration::from_millis(10),
        }
    }

    /// The ids of its tokens.
    pub fn token_ids(&self) -> impl ExactSizeIterator<Item = u32> {
        self.tokens.iter().map(|token| token.id)
    }
}

/// Totals of speculation over a reply, in vLLM's terms.
///
/// Acceptance length is `1 + accepted / drafts`, acceptance rate `accepted / draft_tokens`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeculationCounts {
    /// Passes that had a draft; a pass without one does not count.
    pub drafts: usize,
    /// Tokens drafted in all.
    pub draft_tokens: usize,
    /// Drafted tokens that stood.
    pub accepted_tokens: usize,
}

impl SpeculationCounts {
    /// Tokens per pass that had a draft, the target's own included; `None` without a draft.
    pub fn acceptance_length(&self) -> Option<f64> {
        (self.drafts > 0).then(|| 1.0 + self.accepted_tokens as f64 / self.drafts as f64)
    }

    /// Share of drafted tokens that stood; `None` without a draft.
    pub fn acceptance_rate(&self) -> Option<f64> {
        (self.draft_tokens > 0).then(|| self.accepted_tokens as f64 / self.draft_tokens as f64)
    }
}

impl AddAssign<&DecodeStep> for SpeculationCounts {
    fn add_assign(&mut self, step: &DecodeStep) {
        self.drafts += usize::from(step.drafted > 0);
        self.draft_tokens += step.drafted;
        self.accepted_tokens += step.accepted;
    }
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model said it was done.
    Stop,
    /// The token limit or the end of the context was reached.
    Length,
    /// The user stopped it.
    Cancelled,
}
