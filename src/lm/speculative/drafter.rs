//! What all ways of guessing have in common.

use std::time::Duration;

use crate::domain::{DraftChoice, DraftMatch, Method};

/// Guesses what the model will say next.
///
/// A drafter is asked and told on one thread, in the order of the text. What it guesses never
/// changes the text, only how many passes it takes.
pub trait Drafter: Send {
    /// Guesses what follows `context`; an empty draft means a plain decode step.
    ///
    /// May be asked again with the same context, when a pass was dropped.
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft;

    /// Layers whose inputs it wants to hear of, each a place in `0..=n_layers`; the last one stands
    /// for what leaves the last layer.
    fn taps(&self) -> &[usize] {
        &[]
    }

    /// Hears the hidden states of tokens that have joined the text for good, in its order.
    ///
    /// * `first_position`: place of the first of them in the text. It is beyond what was heard
    ///   before where the key/value cache knew the tokens already, from another reply.
    /// * `hidden`: `(n_tokens, n_taps, n_embd)`.
    fn observe(&mut self, first_position: usize, hidden: &[f32]) {
        let (_, _) = (first_position, hidden);
    }

    /// Bytes that it holds beside the text and the model: what it has learnt, weights, caches.
    fn n_bytes(&self) -> u64 {
        0
    }

    /// Hears what became of its last draft, or of a step without one.
    fn judge(&mut self, verdict: &Verdict) {
        let _ = verdict;
    }
}

/// What became of a draft, and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Tokens drafted.
    pub drafted: usize,
    /// How many of them stood.
    pub accepted: usize,
    /// Whether the pass was over this reply alone, so that its time says what the rows cost.
    pub alone: bool,
    /// Time spent drafting.
    pub draft_time: Duration,
    /// Time of the pass.
    pub pass_time: Duration,
}

/// How much may be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens in all.
    pub n_tokens: usize,
    /// Tokens one after the other: more than the reply has room for would be in vain.
    pub depth: usize,
}

/// A guessed continuation: tokens that follow the context, or each other, as a tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    nodes: Vec<Node>,
    /// How likely each is after its parent; empty if the drafter does not say.
    probabilities: Vec<f32>,
    about: About,
}

/// Where a draft comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Who made it.
    pub method: Option<Method>,
    /// Which tokens were taken for the end of the text.
    pub matched: Option<DraftMatch>,
    /// Why it is what it is, or why there is none.
    pub choice: Option<DraftChoice>,
}

/// A guessed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub token: u32,
    /// The node that it follows, an earlier one; `None` if it follows the context.
    pub parent: Option<usize>,
}

/// What makes a draft no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misgrown {
    /// A token that the model does not have.
    #[error("its node {node} is token {token}, and the model knows 0 to {last}")]
    UnknownToken {
        /// Which node.
        node: usize,
        /// Which token.
        token: u32,
        /// The model's last token.
        last: usize,
    },
    /// A layer that the model does not have.
    #[error("it wants to hear of layer {layer}, and the model's end is {last}")]
    Tap {
        /// Which layer.
        layer: usize,
        /// What stands for the end of the model.
        last: usize,
    },
    /// A node that does not follow an earlier one.
    #[error("its node {node} follows node {parent}, which is not before it")]
    Parent {
        /// Which node.
        node: usize,
        /// What it would follow.
        parent: usize,
    },
}

impl Draft {
    /// One continuation, each token following the one before.
    pub fn chain(tokens: impl IntoIterator<Item = u32>) -> Self {
        let node = |(idx, token): (usize, u32)| Node { token, parent: idx.checked_sub(1) };
        Self::tree(tokens.into_iter().enumerate().map(node).collect())
    }

    /// Several continuations that share their beginnings; each node stands behind its parent.
    pub fn tree(nodes: Vec<Node>) -> Self {
        Self { nodes, probabilities: Vec::new(), about: About::default() }
    }

    /// The same, and how likely each node is after its parent.
    ///
    /// # Panics
    /// If there is not one probability for each node.
    #[must_use]
    pub fn with_probabilities(mut self, probabilities: Vec<f32>) -> Self {
        assert_eq!(probabilities.len(), self.nodes.len(), "a probability for each node");
        self.probabilities = probabilities;
        self
    }

    /// The same, and where it comes from.
    #[must_use]
    pub fn with_about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// Where it comes from.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How likely a node is after its parent, if the drafter says.
    pub fn probability(&self, node: usize) -> Option<f32> {
        self.probabilities.get(node).copied()
    }

    /// The guessed tokens.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many tokens are guessed.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is guessed.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether there is one continuation only.
    pub fn is_chain(&self) -> bool {
        self.nodes.iter().enumerate().all(|(idx, node)| node.parent == idx.checked_sub(1))
    }

    /// The node that follows `parent` with `token`, the first among equals.
    pub fn child(&self, parent: Option<usize>, token: u32) -> Option<usize> {
        self.nodes.iter().position(|node| *node == Node { token, parent })
    }

    /// Checks what a drafter guessed.
    ///
    /// # Errors
    /// If a token is not in a vocabulary of `n_vocab`, or a node stands before its parent.
    pub fn check(&self, n_vocab: usize) -> Result<(), Misgrown> {
        for (idx, node) in self.nodes.iter().enumerate() {
            if node.token as usize >= n_vocab {
                let (token, last) = (node.token, n_vocab.saturating_sub(1));
                return Err(Misgrown::UnknownToken { node: idx, token, last });
            }
            if let Some(parent) = node.parent.filter(|parent| *parent >= idx) {
                return Err(Misgrown::Parent { node: idx, parent });
            }
        }
        Ok(())
    }

    /// Leaves out what goes beyond the limits. Nodes stand behind their parents.
    pub fn prune(&mut self, limits: Limits) {
        self.nodes.truncate(limits.n_tokens);
        // Where each node goes and how deep it is; `None` if it is left out.
        let mut kept: Vec<Option<(usize, usize)>> = Vec::with_capacity(self.nodes.len());
        let mut n_kept = 0;
        self.nodes.retain_mut(|node| {
            let above = match node.parent {
                None => Some((None, 0)),
                Some(parent) => kept[parent].map(|(idx, depth)| (Some(idx), depth)),
            };
            let place = above.filter(|(_, depth)| *depth < limits.depth).map(|(parent, depth)| {
                node.parent = parent;
                n_kept += 1;
                (n_kept - 1, depth + 1)
            });
            kept.push(place);
            place.is_some()
        });
        let mut places = kept.iter().map(Option::is_some).chain(std::iter::repeat(false));
        self.probabilities.retain(|_| places.next() == Some(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(token: u32, parent: Option<usize>) -> Node {
        Node { token, parent }
    }

    #[test]
    fn a_chain_is_a_tree_without_branches() {
        let chain = Draft::chain([5, 6, 7]);
        let nodes = vec![node(5, None), node(6, Some(0)), node(7, Some(1))];
        assert_eq!(chain, Draft::tree(nodes.clone()));
        assert!(chain.is_chain() && Draft::default().is_chain());
        let branched = [nodes, vec![node(8, Some(0))]].concat();
        assert!(!Draft::tree(branched).is_chain());
    }

    #[test]
    fn what_is_too_deep_or_too_many_is_left_out_with_what_follows_it() {
        let mut draft = Draft::tree(vec![
            node(1, None),
            node(2, Some(0)),
            node(3, Some(1)),
            node(4, None),
            node(5, Some(2)),
            node(6, Some(3)),
            node(7, None),
        ]);
        draft.prune(Limits { n_tokens: 6, depth: 2 });
        let expected = [node(1, None), node(2, Some(0)), node(4, None), node(6, Some(2))];
        assert_eq!(draft.nodes(), expected);
    }

    #[test]
    fn a_pruned_draft_keeps_the_probabilities_of_what_is_left() {
        let nodes = vec![node(1, None), node(2, Some(0)), node(3, None), node(4, None)];
        let mut draft = Draft::tree(nodes).with_probabilities(vec![0.5, 0.25, 0.125, 0.0625]);
        draft.prune(Limits { n_tokens: 3, depth: 1 });
        let left: Vec<_> = (0..=draft.len()).map(|idx| draft.probability(idx)).collect();
        assert_eq!(left, [Some(0.5), Some(0.125), None]);
    }

    #[test]
    fn what_is_no_draft_is_named() {
        let why = |nodes: Vec<Node>| Draft::tree(nodes).check(100).unwrap_err().to_string();
        assert_eq!(
            why(vec![node(99, None), node(100, None)]),
            "its node 1 is token 100, and the model knows 0 to 99"
        );
        assert_eq!(
            why(vec![node(1, Some(0))]),
            "its node 0 follows node 0, which is not before it"
        );
    }

    proptest! {
        #[test]
        fn a_pruned_tree_keeps_paths_whole(
            parents in prop::collection::vec(any::<u8>(), 0..40),
            n_tokens in 0usize..40,
            depth in 0usize..8,
        ) {
            let grow = |(idx, parent): (usize, &u8)| {
                let parent = usize::from(*parent) % (idx + 1);
                node(idx as u32, parent.checked_sub(1))
            };
            let full = Draft::tree(parents.iter().enumerate().map(grow).collect());
            let path = |draft: &Draft, mut idx: usize| {
                let mut tokens = vec![draft.nodes()[idx].token];
                while let Some(parent) = draft.nodes()[idx].parent {
                    idx = parent;
                    tokens.push(draft.nodes()[idx].token);
                }
                tokens
            };
            let mut pruned = full.clone();
            pruned.prune(Limits { n_tokens, depth });
            prop_assert!(pruned.check(40).is_ok());
            let kept: Vec<Vec<u32>> = (0..pruned.len()).map(|idx| path(&pruned, idx)).collect();
            let expected: Vec<Vec<u32>> = (0..full.len().min(n_tokens))
                .map(|idx| path(&full, idx))
                .filter(|path| path.len() <= depth)
                .collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
