//! Retrieval: what follows the end of the text in documents is a draft tree.
//!
//! After "REST: Retrieval-Based Speculative Decoding", <https://arxiv.org/abs/2311.08252>: a suffix
//! array of the documents' tokens, the longest end of the text that occurs there, and of what follows
//! its occurrences the likeliest beginnings.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use super::{
    Draft, Drafter, Limits,
    suffix::draft,
    trie::{CountedTrie, Reach},
};
use crate::domain::MatchSource;

/// Bytes that documents may have together: reading them in takes some seconds.
pub const MOST_DOCUMENT_BYTES: u64 = 4 << 20;

/// Tokens by which suffixes are ordered: the longest match that may be asked for.
const ORDERED: usize = 32;
/// Occurrences that are looked at.
const MOST_HITS: usize = 500;
/// Tokens that are looked at after each.
const AHEAD: usize = 10;
/// Branches end before they become less likely than this.
const LEAST_PROBABILITY: f64 = 0.1;
/// Stands between documents; no vocabulary is so large.
const END: u32 = u32::MAX;

/// The tokens of some documents, and their suffixes in order.
#[derive(Debug)]
pub struct Documents {
    tokens: Vec<u32>,
    /// Where suffixes begin, by their first tokens.
    order: Vec<u32>,
}

impl Documents {
    /// Orders the tokens of some documents.
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut tokens = Vec::new();
        for document in documents {
            tokens.extend_from_slice(document);
            tokens.push(END);
        }
        let mut order: Vec<u32> = (0..tokens.len() as u32).collect();
        order.sort_unstable_by_key(|start| beginning(&tokens, *start, ORDERED));
        Self { tokens, order }
    }

    /// Tokens of all documents.
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Memory that they take.
    pub fn n_bytes(&self) -> usize {
        (self.tokens.len() + self.order.len()) * size_of::<u32>()
    }

    /// Where suffixes stand in order that begin with a string of at most `ORDERED` tokens.
    fn find(&self, string: &[u32]) -> Range<usize> {
        let compare = |start: &u32| beginning(&self.tokens, *start, string.len()).cmp(string);
        let first = self.order.partition_point(|start| compare(start) == Ordering::Less);
        let n_found =
            self.order[first..].partition_point(|start| compare(start) == Ordering::Equal);
        first..first + n_found
    }

    /// Place of a token within its document.
    fn place(&self, at: usize) -> usize {
        self.tokens[..at].iter().rposition(|token| *token == END).map_or(at, |end| at - end - 1)
    }
}

fn beginning(tokens: &[u32], start: u32, n: usize) -> &[u32] {
    let start = start as usize;
    &tokens[start..tokens.len().min(start + n)]
}

/// The drafter.
#[derive(Debug, Clone)]
pub struct Retrieval {
    /// Where it looks.
    pub documents: Arc<Documents>,
    /// Tokens that must match at least.
    pub min: usize,
    /// Tokens that are looked for first.
    pub max: usize,
    /// Tokens of a draft at most.
    pub draft_tokens: usize,
}

impl Drafter for Retrieval {
    fn n_bytes(&self) -> u64 {
        self.documents.n_bytes() as u64
    }

    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let Self { documents, min, max, draft_tokens } = self;
        let most = (*draft_tokens).min(limits.n_tokens);
        let longest = (*max).min(ORDERED).min(context.len());
        let found = (*min..=longest).rev().find_map(|n| {
            let hits = documents.find(&context[context.len() - n..]);
            (!hits.is_empty()).then_some((n, hits))
        });
        let Some((n, hits)) = found.filter(|_| most > 0) else { return Draft::default() };
        let ahead = AHEAD.min(limits.depth);
        let mut trie = CountedTrie::new(ahead);
        // Evenly spread, as neighbours go on alike.
        let stride = hits.len().div_ceil(MOST_HITS);
        for start in documents.order[hits.clone()].iter().step_by(stride) {
            let follows = beginning(&documents.tokens, start + n as u32, ahead);
            trie.insert(follows.split(|token| *token == END).next().unwrap_or_default());
        }
        let reach =
            Reach { most, factor: 0.0, offset: most as f64, least_probability: LEAST_PROBABILITY };
        let place = documents.place(documents.order[hits.start] as usize);
        draft(trie.likeliest(reach), MatchSource::Document, Some(place..place + n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{DraftMatch, Method},
        lm::speculative::Node,
    };
    use proptest::prelude::*;

    const WIDE: Limits = Limits { n_tokens: 64, depth: 64 };

    fn retrieval(documents: &[&[u32]]) -> Retrieval {
        let documents = Arc::new(Documents::new(documents.iter().copied()));
        Retrieval { documents, min: 2, max: 16, draft_tokens: 8 }
    }

    #[test]
    fn the_longest_match_is_continued() {
        let mut drafter = retrieval(&[&[7, 7, 7], &[1, 2, 3, 4, 5, 9, 2, 3, 8]]);
        let draft = drafter.draft(&[30, 1, 2, 3], WIDE);
        assert_eq!(draft.nodes(), Draft::chain([4, 5, 9, 2, 3, 8]).nodes());
        let matched = DraftMatch { source: MatchSource::Document, positions: 0..3 };
        assert_eq!(draft.about().matched, Some(matched));
        assert_eq!(draft.about().method, Some(Method::Retrieval));
    }

    #[test]
    fn different_continuations_share_a_tree_and_none_goes_over_a_document_s_end() {
        let mut drafter = retrieval(&[&[1, 2, 3], &[1, 2, 3], &[1, 2, 4, 5]]);
        let draft = drafter.draft(&[1, 2], WIDE);
        let node = |token, parent| Node { token, parent };
        assert_eq!(draft.nodes(), [node(3, None), node(4, None), node(5, Some(1))]);
        assert_eq!(draft.probability(0), Some(2.0 / 3.0));
    }

    #[test]
    fn nothing_is_drafted_from_too_short_a_match() {
        assert!(retrieval(&[&[1, 2, 3]]).draft(&[9, 1], WIDE).is_empty());
        assert!(retrieval(&[&[1, 2, 3]]).draft(&[2, 3], WIDE).is_empty());
        let none = Limits { n_tokens: 0, depth: 9 };
        assert!(retrieval(&[&[1, 2, 3]]).draft(&[1, 2], none).is_empty());
    }

    proptest! {
        #[test]
        fn every_occurrence_is_found(
            tokens in prop::collection::vec(0u32..4, 0..60),
            string in prop::collection::vec(0u32..4, 1..6),
        ) {
            let documents = Documents::new([&tokens[..]]);
            let n = tokens.windows(string.len()).filter(|window| *window == string).count();
            prop_assert_eq!(documents.find(&string).len(), n);
        }
    }
}
