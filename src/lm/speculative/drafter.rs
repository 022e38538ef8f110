//! What all ways of guessing have in common.

/// Guesses what the model will say next.
pub trait Drafter: Send {
    /// Guesses at most `max_tokens` after `context`; an empty draft means a plain decode step.
    fn draft(&mut self, context: &[u32], max_tokens: usize) -> Draft;
}

/// A guessed continuation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Tokens, each following the one before.
    pub tokens: Vec<u32>,
}
