//! How several tokens may be had from one pass of a model: who guesses, and how much.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Tokens that may be drafted for a reply's pass: beyond some rows a pass costs more than it can
/// bring.
pub const MAX_DRAFT_TOKENS: usize = 64;

/// How several tokens may be had from one pass of the model. None of it changes the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "method")]
pub enum Speculative {
    /// One token per pass.
    None,
    /// n-gram prompt lookup: what followed the last tokens before is the draft.
    Ngram {
        /// Shortest n-gram that may match.
        min: usize,
        /// Longest n-gram that is looked for first.
        max: usize,
        /// Tokens to draft at most.
        draft_tokens: usize,
        /// Which of several occurrences is taken.
        #[serde(default)]
        occurrence: Occurrence,
    },
    /// Suffix decoding: what most often followed the end of the text, in it and in past replies.
    Suffix {
        /// Tokens to draft at most.
        draft_tokens: usize,
        /// Tokens of a match and its continuation together.
        depth: usize,
        /// Drafts end before they become less likely than this.
        min_probability: f32,
    },
    /// Retrieval: what follows the end of the text in documents of the user's is a draft tree.
    Retrieval {
        /// Text files.
        documents: Vec<PathBuf>,
        /// Tokens of the tree at most.
        draft_tokens: usize,
        /// Tokens that must match at least.
        min: usize,
        /// Tokens that are looked for first.
        max: usize,
    },
    /// A smaller model of the same vocabulary guesses.
    Draft {
        /// Its id in the library.
        model: String,
        /// Tokens to draft at most.
        draft_tokens: usize,
        /// Drafts end before a token that the smaller model finds less likely than this.
        min_probability: f32,
    },
    /// EAGLE-3: a head that reads the model's hidden states guesses.
    Eagle3 {
        /// Its id in the library; empty takes the one that was made for the model.
        head: String,
        /// Tokens to draft at most.
        draft_tokens: usize,
        /// One continuation or several.
        shape: DraftShape,
        /// Drafts end before they become less likely than this.
        min_probability: f32,
    },
    /// Whichever of the others promises most at each step, if any does.
    Adaptive {
        /// Tokens to draft at most.
        draft_tokens: usize,
        /// An EAGLE-3 head to choose from, too.
        #[serde(default)]
        head: Option<String>,
    },
}

/// Which of several occurrences of an n-gram is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occurrence {
    /// The first, as vLLM does.
    #[default]
    Earliest,
    /// The last: what was said most recently.
    Latest,
}

/// Whether one continuation is drafted or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum DraftShape {
    /// Each token follows the one before.
    #[default]
    Chain,
    /// The likeliest of several continuations that share their beginnings.
    Tree {
        /// Tokens one after the other at most.
        depth: usize,
        /// Continuations that are followed at a time.
        top_k: usize,
    },
}

/// What suffix decoding knows beside the conversation: past replies, and documents that it was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Replies and documents.
    pub n_texts: usize,
    /// Their tokens.
    pub n_tokens: usize,
    /// Memory that takes.
    pub n_bytes: u64,
}

/// Who guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The text itself.
    Ngram,
    /// The text and past replies, by counts.
    Suffix,
    /// Documents.
    Retrieval,
    /// A smaller model.
    Draft,
    /// A head on the model's hidden states.
    Eagle3,
}

impl Method {
    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ngram => "n-gram",
            Self::Suffix => "suffix",
            Self::Retrieval => "retrieval",
            Self::Draft => "draft model",
            Self::Eagle3 => "EAGLE-3",
        }
    }
}

impl Speculative {
    /// n-gram lookup with vLLM's customary 3..=5 and three draft tokens.
    pub const NGRAM: Self =
        Self::Ngram { min: 3, max: 5, draft_tokens: 3, occurrence: Occurrence::Earliest };

    /// Prompt lookup decoding as it was first: three tokens down to one, ten drafted.
    pub const PLD: Self =
        Self::Ngram { min: 1, max: 3, draft_tokens: 10, occurrence: Occurrence::Earliest };

    /// Suffix decoding with vLLM's depth and least probability.
    pub const SUFFIX: Self = Self::Suffix { draft_tokens: 16, depth: 24, min_probability: 0.1 };

    /// Adaptive with the methods that need nothing beside the text.
    pub const ADAPTIVE: Self = Self::Adaptive { draft_tokens: 8, head: None };

    /// Retrieval from some documents, with the least pattern of REST and trees that a CPU verifies.
    pub fn retrieval(documents: Vec<PathBuf>) -> Self {
        Self::Retrieval { documents, draft_tokens: 8, min: 2, max: 16 }
    }

    /// A smaller model's guesses, three at a time.
    pub fn draft(model: String) -> Self {
        Self::Draft { model, draft_tokens: 3, min_probability: 0.4 }
    }

    /// A head's guesses, one continuation of three tokens.
    pub fn eagle3(head: String) -> Self {
        let shape = DraftShape::Chain;
        Self::Eagle3 { head, draft_tokens: 3, shape, min_probability: 0.0 }
    }

    /// A head's guesses as a tree, small enough for a CPU.
    pub fn eagle3_tree(head: String) -> Self {
        let shape = DraftShape::Tree { depth: 4, top_k: 4 };
        Self::Eagle3 { head, draft_tokens: 7, shape, min_probability: 0.0 }
    }

    /// Its name for people, without its options.
    pub fn label(&self) -> &'static str {
        match self {
            Self::None => "off",
            Self::Ngram { min: 1, max: 3, .. } => "PLD",
            Self::Ngram { occurrence: Occurrence::Latest, .. } => "n-gram, latest",
            Self::Ngram { .. } => Method::Ngram.label(),
            Self::Suffix { .. } => Method::Suffix.label(),
            Self::Retrieval { .. } => Method::Retrieval.label(),
            Self::Draft { .. } => Method::Draft.label(),
            Self::Eagle3 { shape: DraftShape::Chain, .. } => Method::Eagle3.label(),
            Self::Eagle3 { shape: DraftShape::Tree { .. }, .. } => "EAGLE-3 tree",
            Self::Adaptive { .. } => "adaptive",
        }
    }

    /// Its name and its options, for people.
    pub fn describe(&self) -> String {
        let label = self.label();
        match self {
            Self::None => label.to_owned(),
            Self::Ngram { min, max, draft_tokens, occurrence } => {
                let (name, is_latest) = (Method::Ngram.label(), *occurrence == Occurrence::Latest);
                let latest = if is_latest { ", latest match" } else { "" };
                format!("{name} {min}–{max}, {draft_tokens} draft tokens{latest}")
            }
            Self::Suffix { draft_tokens, depth, min_probability } => format!(
                "{label}, depth {depth}, {draft_tokens} draft tokens down to probability {min_probability}"
            ),
            Self::Retrieval { documents, draft_tokens, min, max } => format!(
                "{label} from {} documents, {min}–{max}, {draft_tokens} draft tokens",
                documents.len()
            ),
            Self::Draft { model, draft_tokens, min_probability } => format!(
                "{label} {model}, {draft_tokens} draft tokens down to probability {min_probability}"
            ),
            Self::Eagle3 { head, draft_tokens, .. } => {
                let head = if head.is_empty() { "the model's own head" } else { head };
                format!("{label}, {head}, {draft_tokens} draft tokens")
            }
            Self::Adaptive { draft_tokens, head } => {
                let head = head.as_ref().map(|head| format!(", with {head}"));
                format!("{label}, up to {draft_tokens} draft tokens{}", head.unwrap_or_default())
            }
        }
    }

    /// Tokens to draft at most; zero without speculation.
    pub fn draft_tokens(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Ngram { draft_tokens, .. }
            | Self::Suffix { draft_tokens, .. }
            | Self::Retrieval { draft_tokens, .. }
            | Self::Draft { draft_tokens, .. }
            | Self::Eagle3 { draft_tokens, .. }
            | Self::Adaptive { draft_tokens, .. } => *draft_tokens,
        }
    }

    /// The same with another number of tokens to draft; without speculation there is none.
    #[must_use]
    pub fn with_draft_tokens(mut self, n_tokens: usize) -> Self {
        match &mut self {
            Self::None => (),
            Self::Ngram { draft_tokens, .. }
            | Self::Suffix { draft_tokens, .. }
            | Self::Retrieval { draft_tokens, .. }
            | Self::Draft { draft_tokens, .. }
            | Self::Eagle3 { draft_tokens, .. }
            | Self::Adaptive { draft_tokens, .. } => *draft_tokens = n_tokens,
        }
        self
    }

    /// What is wrong with the options, if anything, with the range that would be right.
    pub fn problem(&self) -> Option<String> {
        if *self == Self::None {
            return None;
        }
        let (label, draft_tokens) = (self.label(), self.draft_tokens());
        if !(1..=MAX_DRAFT_TOKENS).contains(&draft_tokens) {
            return Some(format!(
                "{label} is to draft {draft_tokens} tokens; ask for 1 to {MAX_DRAFT_TOKENS}"
            ));
        }
        match self {
            Self::Ngram { min, max, .. } | Self::Retrieval { min, max, .. }
                if *min == 0 || max < min =>
            {
                Some(format!(
                    "{label} asks for a match of {min} to {max} tokens; the shortest is at least \
                     1, the longest not below it"
                ))
            }
            Self::Retrieval { documents, .. } if documents.is_empty() => {
                Some(format!("{label} has no documents; name one"))
            }
            Self::Suffix { depth, .. } if !(2..=MAX_DRAFT_TOKENS).contains(depth) => {
                Some(format!("{label}'s depth is {depth}; ask for 2 to {MAX_DRAFT_TOKENS}"))
            }
            Self::Draft { model, .. } if model.is_empty() => {
                Some(format!("the {label} is not named; name a language model"))
            }
            Self::Eagle3 { shape: DraftShape::Tree { depth, top_k }, .. }
                if !(1..=16).contains(depth) || !(1..=16).contains(top_k) =>
            {
                Some(format!("{label}'s depth is {depth} and its top-k {top_k}; ask for 1 to 16"))
            }
            Self::Suffix { min_probability, .. }
            | Self::Draft { min_probability, .. }
            | Self::Eagle3 { min_probability, .. }
                if !(0.0..=1.0).contains(min_probability) =>
            {
                Some(format!("{label}'s least probability is {min_probability}; it lies in 0 to 1"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        let problem = |speculative: Speculative| speculative.problem().unwrap();
        assert_eq!(
            problem(Speculative::NGRAM.with_draft_tokens(65)),
            "n-gram is to draft 65 tokens; ask for 1 to 64"
        );
        let occurrence = Occurrence::Latest;
        assert_eq!(
            problem(Speculative::Ngram { min: 3, max: 2, draft_tokens: 3, occurrence }),
            "n-gram, latest asks for a match of 3 to 2 tokens; the shortest is at least 1, the \
             longest not below it"
        );
        assert!(problem(Speculative::draft(String::new())).contains("not named"));
        assert!(problem(Speculative::retrieval(Vec::new())).contains("no documents"));
        assert_eq!(Speculative::None.problem(), None);
        assert_eq!(Speculative::eagle3_tree(String::new()).problem(), None);
    }

    #[test]
    fn settings_of_a_version_that_knew_one_occurrence_are_read() {
        let kept = r#"{"method":"ngram","min":3,"max":5,"draft_tokens":3}"#;
        assert_eq!(serde_json::from_str::<Speculative>(kept).unwrap(), Speculative::NGRAM);
        let kept = serde_json::to_string(&Speculative::eagle3_tree("head".into())).unwrap();
        assert_eq!(
            serde_json::from_str::<Speculative>(&kept).unwrap(),
            Speculative::eagle3_tree("head".into())
        );
    }
}
