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

/// One pass of the model over one sequence, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodeStep {
    /// Token ids that joined the reply: the accepted draft, then one of the target's own.
    pub tokens: Vec<u32>,
    /// The text those tokens completed; may lag behind by an unfinished character.
    pub text: String,
    /// Tokens that were drafted for this pass.
    pub drafted: usize,
    /// How many of them were accepted.
    pub accepted: usize,
    /// Time spent drafting.
    pub draft_time: Duration,
    /// Time from the start of the pass to its verdict.
    pub verify_time: Duration,
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
