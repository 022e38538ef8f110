//! n-gram prompt lookup: what followed the last tokens before is the draft.
//!
//! Exactly vLLM's proposer (`vllm/v1/spec_decode/ngram_proposer.py`): the longest n-gram that
//! occurred before wins, then its earliest occurrence; the draft ends where the context ends. Where
//! a text is worked over again and again, the latest occurrence is the better guess: an option.
//! After "Prompt Lookup Decoding", <https://github.com/apoorvumang/prompt-lookup-decoding>.

use super::{About, Draft, Drafter, Limits};
use crate::domain::{DraftMatch, MatchSource, Method, Occurrence};

/// The drafter; it remembers nothing, the context is its memory.
#[derive(Debug, Clone, Copy)]
pub struct Ngram {
    /// Shortest n-gram that may match.
    pub min: usize,
    /// Longest n-gram, looked for first.
    pub max: usize,
    /// Tokens to draft at most.
    pub draft_tokens: usize,
    /// Which of several occurrences is taken.
    pub occurrence: Occurrence,
}

impl Drafter for Ngram {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let n_tokens = self.draft_tokens.min(limits.n_tokens).min(limits.depth);
        if n_tokens == 0 {
            return Draft::default();
        }
        let longest = self.max.min(context.len().saturating_sub(1));
        let found = (self.min..=longest)
            .rev()
            .find_map(|n| Some((n, follows_last(context, n, self.occurrence)?)));
        let Some((n, start)) = found else { return Draft::default() };
        let matched = DraftMatch { source: MatchSource::Context, positions: start - n..start };
        Draft::chain(context[start..].iter().copied().take(n_tokens)).with_about(About {
            method: Some(Method::Ngram),
            matched: Some(matched),
            choice: None,
        })
    }
}

/// Where an occurrence of the last `n` tokens ends, other than at the end itself.
fn follows_last(context: &[u32], n: usize, occurrence: Occurrence) -> Option<usize> {
    let (before, last) = (&context[..context.len() - 1], &context[context.len() - n..]);
    let mut windows = before.windows(n);
    let start = match occurrence {
        Occurrence::Earliest => windows.position(|window| window == last),
        Occurrence::Latest => windows.rposition(|window| window == last),
    };
    start.map(|start| start + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors made by running vLLM's own code, minimum 3, maximum 5.
    #[track_caller]
    fn check(context: &[u32], depth: usize, expected: &[u32]) {
        let limits = Limits { n_tokens: 64, depth };
        let occurrence = Occurrence::Earliest;
        let mut drafter = Ngram { min: 3, max: 5, draft_tokens: 5, occurrence };
        let draft = drafter.draft(context, limits);
        assert_eq!(draft.nodes(), Draft::chain(expected.iter().copied()).nodes());
        if let Some(DraftMatch { positions, .. }) = &draft.about().matched {
            assert!(context.ends_with(&context[positions.clone()]));
            assert_eq!(context[positions.end], expected[0]);
        }
    }

    #[test]
    fn guesses_what_followed_last_time() {
        check(&[1, 2, 3, 4, 5, 1, 2, 3], 3, &[4, 5, 1]);
    }

    #[test]
    fn the_earliest_occurrence_wins() {
        check(&[1, 2, 3, 9, 9, 1, 2, 3, 8, 8, 1, 2, 3], 3, &[9, 9, 1]);
    }

    #[test]
    fn the_latest_occurrence_wins_if_that_is_asked_for() {
        let context = [1, 2, 3, 9, 9, 1, 2, 3, 8, 8, 1, 2, 3];
        let occurrence = Occurrence::Latest;
        let mut drafter = Ngram { min: 3, max: 5, draft_tokens: 3, occurrence };
        let draft = drafter.draft(&context, Limits { n_tokens: 64, depth: 64 });
        assert_eq!(draft.nodes(), Draft::chain([8, 8, 1]).nodes());
        let matched = DraftMatch { source: MatchSource::Context, positions: 5..8 };
        assert_eq!(draft.about().matched, Some(matched));
    }

    #[test]
    fn the_longest_n_gram_wins_over_the_earliest() {
        check(&[7, 1, 2, 3, 9, 1, 2, 3, 4, 7, 1, 2, 3], 3, &[9, 1, 2]);
    }

    #[test]
    fn an_occurrence_may_overlap_the_end() {
        check(&[5, 5, 5, 5, 5], 3, &[5]);
    }

    #[test]
    fn the_draft_ends_with_the_context() {
        check(&[1, 2, 3, 1, 2, 3], 5, &[1, 2, 3]);
    }

    #[test]
    fn too_short_a_repetition_is_no_reason_to_guess() {
        check(&[1, 2, 3, 1, 2], 3, &[]);
        check(&[1, 2], 3, &[]);
        check(&[], 3, &[]);
    }

    #[test]
    fn no_more_is_guessed_than_there_is_room_for() {
        // vLLM's case with a context of eight tokens, seven of them taken.
        check(&[1, 2, 3, 4, 1, 2, 3], 1, &[4]);
        check(&[1, 2, 3, 4, 1, 2, 3], 0, &[]);
    }
}
