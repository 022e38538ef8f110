//! What one decode step did, and how a reply came to its end.

use std::{
    ops::{AddAssign, Range},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Method;

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
    /// The user put it in the place of another.
    Chosen,
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
    /// Who guessed it, if it was guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<Guess>,
    /// How likely it was.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub logprob: f32,
    /// The likeliest tokens in its place, this one perhaps among them; as many as were asked for.
    pub top_logprobs: Vec<Alternative>,
}

/// A guess that came true.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// Who made it.
    pub method: Method,
    /// Its place in the draft, from one: how many tokens of the draft stood with it.
    pub position: usize,
    /// How likely the drafter found it after those before it, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
    /// Place in prompt and reply of the token that it was copied from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<usize>,
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
    /// The draft, if there was one.
    pub draft: Option<StepDraft>,
    /// Why so much was drafted and by whom, where that is decided from step to step.
    pub choice: Option<DraftChoice>,
    /// Time spent drafting.
    pub draft_time: Duration,
    /// Time from the start of the pass, when the draft stood, to its verdict.
    pub verify_time: Duration,
}

/// What was drafted for a step, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepDraft {
    /// Who drafted; `None` if a drafter does not say.
    pub method: Option<Method>,
    /// The drafted tokens; each stands behind the one it follows.
    pub nodes: Vec<DraftedToken>,
    /// Which earlier tokens were taken for the end of the text, if any were.
    pub matched: Option<DraftMatch>,
}

/// A drafted token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftedToken {
    /// Its place in the vocabulary.
    pub id: u32,
    /// What it would have written; the name of a token that writes nothing.
    pub text: String,
    /// The drafted token that it follows; `None` if it follows the text.
    pub parent: Option<usize>,
    /// How likely the drafter found it after its parent, if it says.
    pub probability: Option<f32>,
    /// Whether it joined the reply.
    pub accepted: bool,
}

/// Tokens that are the same as the last ones of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftMatch {
    /// Where they stand.
    pub source: MatchSource,
    /// Their places there; of past replies, where places mean nothing, `0..length`.
    pub positions: Range<usize>,
}

/// Where a draft was copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchSource {
    /// Prompt and reply.
    Context,
    /// Replies before this one.
    Past,
    /// A document.
    Document,
}

/// Why so much was drafted for a step, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftChoice {
    /// Who; `None` for nobody.
    pub method: Option<Method>,
    /// Tokens drafted.
    pub draft_tokens: usize,
    /// Expected speed in plain decoding's: 1.2 is a fifth faster.
    pub gain: f32,
    /// In words.
    pub reason: String,
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
            guess: None,
            logprob: -0.5,
            top_logprobs: Vec::new(),
        };
        Self {
            tokens: (0..n_tokens).map(token).collect(),
            drafted,
            accepted: n_tokens - 1,
            draft: None,
            choice: None,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeculationCounts {
    /// Passes that had a draft; a pass without one does not count.
    pub drafts: usize,
    /// Tokens drafted in all.
    pub draft_tokens: usize,
    /// Drafted tokens that stood.
    pub accepted_tokens: usize,
    /// Drafts that stood at least to each position, the first position first; of a tree, its depth.
    #[serde(default)]
    pub accepted_by_position: Vec<usize>,
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

    /// Share of drafts that stood to each position, as vLLM counts it.
    pub fn acceptance_by_position(&self) -> impl ExactSizeIterator<Item = f64> {
        let n_drafts = self.drafts.max(1) as f64;
        self.accepted_by_position.iter().map(move |accepted| *accepted as f64 / n_drafts)
    }
}

impl AddAssign<&DecodeStep> for SpeculationCounts {
    fn add_assign(&mut self, step: &DecodeStep) {
        self.drafts += usize::from(step.drafted > 0);
        self.draft_tokens += step.drafted;
        self.accepted_tokens += step.accepted;
        if self.accepted_by_position.len() < step.accepted {
            self.accepted_by_position.resize(step.accepted, 0);
        }
        for count in &mut self.accepted_by_position[..step.accepted] {
            *count += 1;
        }
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
