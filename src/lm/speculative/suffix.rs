//! Suffix decoding: what most often followed the end of the text, in the text itself and in earlier
//! replies, is the draft; the surer, the longer.
//!
//! After "`SuffixDecoding`", Oliaro et al. 2024, <https://arxiv.org/abs/2411.04975>, with the choices
//! of vLLM's `suffix` method: a draft is no longer than what it follows, ends where it becomes
//! unlikely, and comes from whichever of the two memories expects more of it to stand.

use super::{
    About, Draft, Drafter, Limits,
    past::PastReplies,
    trie::{CountedTrie, Likely, Reach, Reading},
};
use crate::domain::{DraftMatch, MatchSource, Method};

/// The drafter of one reply.
#[derive(Debug)]
pub struct Suffix {
    draft_tokens: usize,
    depth: usize,
    min_probability: f32,
    past: PastReplies,
    here: CountedTrie,
    reading: Reading,
    /// Tokens of the conversation that stood before the reply.
    n_prompt: usize,
    text: Vec<u32>,
}

impl Suffix {
    /// For a reply to a prompt of `n_prompt` tokens; what it writes is kept in `past`.
    ///
    /// * `draft_tokens`: to draft at most.
    /// * `depth`: tokens of a match and its continuation together.
    /// * `min_probability`: drafts end before they become less likely.
    pub fn new(
        draft_tokens: usize,
        depth: usize,
        min_probability: f32,
        n_prompt: usize,
        past: PastReplies,
    ) -> Self {
        let (here, reading, text) = (CountedTrie::new(depth), Reading::default(), Vec::new());
        Self { draft_tokens, depth, min_probability, past, here, reading, n_prompt, text }
    }
}

impl Drafter for Suffix {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        for &token in context.get(self.text.len()..).unwrap_or_default() {
            self.here.append(&mut self.reading, token);
            self.text.push(token);
        }
        let most = self.draft_tokens.min(limits.n_tokens).min(limits.depth);
        let least_probability = f64::from(self.min_probability);
        let reach = Reach { most, factor: 1.0, offset: 0.0, least_probability };
        let end = &context[context.len().saturating_sub(self.depth)..];
        let here = self.here.continuation(end, reach);
        let past = self.past.continuation(end, reach);
        if here.score >= past.score {
            let positions = find_copied(context, &here);
            draft(here, MatchSource::Context, positions)
        } else {
            let positions = Some(0..past.n_matched);
            draft(past, MatchSource::Past, positions)
        }
    }

    fn n_bytes(&self) -> u64 {
        (self.here.n_bytes() + self.past.size().n_bytes) as u64
    }
}

impl Drop for Suffix {
    fn drop(&mut self) {
        let reply = self.text.split_off(self.n_prompt.min(self.text.len()));
        if !reply.is_empty() {
            self.past.keep(reply);
        }
    }
}

/// Makes a draft of a continuation.
pub fn draft(
    likely: Likely,
    source: MatchSource,
    positions: Option<std::ops::Range<usize>>,
) -> Draft {
    if likely.nodes.is_empty() {
        return Draft::default();
    }
    let method = match source {
        MatchSource::Document => Method::Retrieval,
        MatchSource::Context | MatchSource::Past => Method::Suffix,
    };
    let matched = positions.map(|positions| DraftMatch { source, positions });
    let probabilities = likely.probabilities.iter().map(|share| *share as f32).collect();
    let about = About { method: Some(method), matched, choice: None };
    Draft::tree(likely.nodes).with_probabilities(probabilities).with_about(about)
}

/// The latest place where the end of the text was followed by what is drafted.
fn find_copied(context: &[u32], likely: &Likely) -> Option<std::ops::Range<usize>> {
    let first = likely.nodes.first()?.token;
    let n = likely.n_matched;
    let end = &context[context.len() - n..];
    let is_it = |window: &[u32]| window.ends_with(&[first]) && window.starts_with(end);
    let start = context.windows(n + 1).rposition(is_it)?;
    Some(start..start + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Limits = Limits { n_tokens: 64, depth: 64 };

    fn suffix(n_prompt: usize, past: &PastReplies) -> Suffix {
        Suffix::new(8, 24, 0.1, n_prompt, past.clone())
    }

    #[track_caller]
    fn check(drafter: &mut Suffix, context: &[u32], limits: Limits, expected: &[u32]) {
        let draft = drafter.draft(context, limits);
        assert_eq!(draft.nodes(), Draft::chain(expected.iter().copied()).nodes());
        if let Some(DraftMatch { source: MatchSource::Context, positions }) = &draft.about().matched
        {
            assert!(context.ends_with(&context[positions.clone()]));
            assert_eq!(context[positions.end], expected[0]);
        }
    }

    #[test]
    fn what_stands_in_the_text_is_drafted() {
        let mut drafter = suffix(4, &PastReplies::default());
        check(&mut drafter, &[1, 2, 3, 4, 9, 1, 2], WIDE, &[3, 4]);
        // The context grows by what was accepted.
        check(&mut drafter, &[1, 2, 3, 4, 9, 1, 2, 3], WIDE, &[4, 9, 1]);
        let one = Limits { n_tokens: 1, depth: 64 };
        check(&mut drafter, &[1, 2, 3, 4, 9, 1, 2, 3], one, &[4]);
    }

    #[test]
    fn an_earlier_reply_is_remembered_and_its_prompt_is_not() {
        let past = PastReplies::default();
        let mut first = suffix(3, &past);
        first.draft(&[50, 51, 52, 1, 2, 3, 4, 5], WIDE);
        drop(first);
        assert_eq!(past.size().n_tokens, 5);
        let mut second = suffix(1, &past);
        check(&mut second, &[7, 1, 2, 3], WIDE, &[4, 5]);
        let draft = second.draft(&[7, 1, 2, 3], WIDE);
        let matched = DraftMatch { source: MatchSource::Past, positions: 0..3 };
        assert_eq!(draft.about().matched, Some(matched));
        check(&mut suffix(1, &past), &[7, 50], WIDE, &[]);
    }
}
