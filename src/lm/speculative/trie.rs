//! How often each short string of tokens stands in some texts: a trie of all their substrings up to
//! a depth, with a count in each node.
//!
//! After the suffix tree of "`SuffixDecoding`", Oliaro et al. 2024, <https://arxiv.org/abs/2411.04975>,
//! in its plain form: a token costs as many steps as the trie is deep.

use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::Node as Drafted;

/// No node.
const NONE: u32 = u32::MAX;
/// The empty string.
const ROOT: u32 = 0;

/// The trie.
#[derive(Debug)]
pub struct CountedTrie {
    depth: usize,
    nodes: Vec<Node>,
    /// Children of the root, of which there are as many as tokens.
    first: HashMap<u32, u32>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    token: u32,
    /// How often the string that leads here stands in the texts.
    count: u32,
    child: u32,
    sibling: u32,
}

/// How far a text has been read in: the nodes of its last strings, the longest first.
#[derive(Debug, Clone, Default)]
pub struct Reading(VecDeque<u32>);

/// How far a continuation may go.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Tokens at most.
    pub most: usize,
    /// Tokens for each token that matched.
    pub factor: f64,
    /// Tokens beside that.
    pub offset: f64,
    /// Of its last token, by the counts along the way.
    pub least_probability: f64,
}

impl Reach {
    /// Tokens after a match.
    fn budget(&self, n_matched: usize) -> usize {
        let budget = (n_matched as f64 * self.factor + self.offset + 1e-6).floor().max(0.0);
        (budget as usize).min(self.most)
    }
}

/// A likely continuation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Likely {
    /// Tokens at the end of the context that it follows.
    pub n_matched: usize,
    /// Its tokens; each stands behind its parent.
    pub nodes: Vec<Drafted>,
    /// How likely each is after its parent, by the counts.
    pub probabilities: Vec<f64>,
    /// How many of them will stand, by the counts: the sum of the probabilities of its beginnings.
    pub score: f64,
}

impl CountedTrie {
    /// An empty one, for strings of up to `depth` tokens.
    pub fn new(depth: usize) -> Self {
        let root = Node { token: 0, count: 0, child: NONE, sibling: NONE };
        Self { depth, nodes: vec![root], first: HashMap::new() }
    }

    /// Memory it takes, about.
    pub fn n_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.first.capacity() * 2 * size_of::<u32>()
    }

    /// Reads the next token of a text.
    pub fn append(&mut self, reading: &mut Reading, token: u32) {
        reading.0.push_back(ROOT);
        if reading.0.len() > self.depth {
            reading.0.pop_front();
        }
        self.nodes[ROOT as usize].count += 1;
        for node in &mut reading.0 {
            *node = self.count_child(*node, token);
        }
    }

    /// Reads a string that begins at the root, and none of its other substrings.
    pub fn insert(&mut self, tokens: &[u32]) {
        self.nodes[ROOT as usize].count += 1;
        tokens.iter().fold(ROOT, |node, token| self.count_child(node, *token));
    }

    /// How often a string stands in the texts; strings longer than the depth are not known.
    #[cfg(test)]
    fn count(&self, tokens: &[u32]) -> u32 {
        self.walk(tokens).map_or(0, |node| self.nodes[node as usize].count)
    }

    /// The continuation of the end of `context` of which most is expected to stand; of equals, that
    /// of the longest end.
    pub fn continuation(&self, context: &[u32], reach: Reach) -> Likely {
        self.best(context, |node, budget| self.likeliest_path(node, budget, reach))
    }

    /// As [`CountedTrie::continuation`], with several branches where that is likelier to stand.
    #[cfg(test)]
    fn continuations(&self, context: &[u32], reach: Reach) -> Likely {
        self.best(context, |node, budget| self.likeliest_tree(node, budget, reach))
    }

    /// The likeliest strings from the root, as a tree.
    pub fn likeliest(&self, reach: Reach) -> Likely {
        self.likeliest_tree(ROOT, reach.most, reach)
    }

    fn best(&self, context: &[u32], grow: impl Fn(u32, usize) -> Likely) -> Likely {
        let mut best = Likely::default();
        // One token less than is known: the string must have room for what follows it.
        let longest = context.len().saturating_sub(1).min(self.depth.saturating_sub(1));
        for n_matched in 1..=longest {
            let Some(node) = self.walk(&context[context.len() - n_matched..]) else { break };
            let likely = grow(node, n_matched);
            if likely.score >= best.score {
                best = Likely { n_matched, ..likely };
            }
        }
        if best.nodes.is_empty() { Likely::default() } else { best }
    }

    fn likeliest_path(&self, mut node: u32, n_matched: usize, reach: Reach) -> Likely {
        let mut likely = Likely::default();
        let mut probability = 1.0;
        while likely.nodes.len() < reach.budget(n_matched) {
            let Some(child) = self.likeliest_child(node) else { break };
            let share = self.share(node, child);
            probability *= share;
            if probability < reach.least_probability {
                break;
            }
            let parent = likely.nodes.len().checked_sub(1);
            likely.nodes.push(Drafted { token: self.nodes[child as usize].token, parent });
            likely.probabilities.push(share);
            likely.score += probability;
            node = child;
        }
        likely
    }

    fn likeliest_tree(&self, node: u32, n_matched: usize, reach: Reach) -> Likely {
        let mut likely = Likely::default();
        let mut open = BinaryHeap::new();
        let mut n_opened = 0;
        let mut expand = |open: &mut BinaryHeap<Open>, node, parent, probability: f64| {
            for child in self.children(node) {
                let share = self.share(node, child);
                n_opened += 1;
                let probability = probability * share;
                open.push(Open { probability, n_opened, node: child, parent, share });
            }
        };
        expand(&mut open, node, None, 1.0);
        while likely.nodes.len() < reach.budget(n_matched)
            && let Some(next) = open.pop()
            && next.probability >= reach.least_probability
        {
            let token = self.nodes[next.node as usize].token;
            likely.nodes.push(Drafted { token, parent: next.parent });
            likely.probabilities.push(next.share);
            likely.score += next.probability;
            expand(&mut open, next.node, Some(likely.nodes.len() - 1), next.probability);
        }
        likely
    }

    /// How often the child's token follows the node's string.
    fn share(&self, node: u32, child: u32) -> f64 {
        let count = |node: u32| f64::from(self.nodes[node as usize].count);
        count(child) / count(node)
    }

    /// The child with the highest count; of equals the one that was counted last.
    fn likeliest_child(&self, node: u32) -> Option<u32> {
        let count = |child: u32| self.nodes[child as usize].count;
        // The first of equals is taken, and the one counted last comes first.
        self.children(node)
            .reduce(|best, child| if count(child) > count(best) { child } else { best })
    }

    /// The children of any node but the root from the one counted last on; of the root in no order.
    fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let of_root = (node == ROOT).then(|| {
            let mut children: Vec<u32> = self.first.values().copied().collect();
            children.sort_unstable();
            children
        });
        let next = |child: &u32| {
            let sibling = self.nodes[*child as usize].sibling;
            (sibling != NONE).then_some(sibling)
        };
        let child = self.nodes[node as usize].child;
        let others = std::iter::successors((child != NONE).then_some(child), next);
        of_root.into_iter().flatten().chain(others)
    }

    fn walk(&self, tokens: &[u32]) -> Option<u32> {
        tokens.iter().try_fold(ROOT, |node, &token| self.child(node, token))
    }

    fn child(&self, node: u32, token: u32) -> Option<u32> {
        if node == ROOT {
            return self.first.get(&token).copied();
        }
        self.children(node).find(|child| self.nodes[*child as usize].token == token)
    }

    /// Counts a token behind a node, and moves it before its siblings: what is frequent is found
    /// soon, and what is recent wins a tie.
    fn count_child(&mut self, node: u32, token: u32) -> u32 {
        if node == ROOT {
            let n_nodes = self.nodes.len() as u32;
            let child = *self.first.entry(token).or_insert(n_nodes);
            if child == n_nodes {
                self.nodes.push(Node { token, count: 0, child: NONE, sibling: NONE });
            }
            self.nodes[child as usize].count += 1;
            return child;
        }
        let mut before = NONE;
        let mut child = self.nodes[node as usize].child;
        while child != NONE && self.nodes[child as usize].token != token {
            before = child;
            child = self.nodes[child as usize].sibling;
        }
        if child == NONE {
            child = self.nodes.len() as u32;
            self.nodes.push(Node { token, count: 0, child: NONE, sibling: NONE });
        } else if before == NONE {
            self.nodes[child as usize].count += 1;
            return child;
        } else {
            self.nodes[before as usize].sibling = self.nodes[child as usize].sibling;
        }
        self.nodes[child as usize].count += 1;
        self.nodes[child as usize].sibling = self.nodes[node as usize].child;
        self.nodes[node as usize].child = child;
        child
    }
}

/// A node that may come next into a tree.
#[derive(Debug, PartialEq)]
struct Open {
    /// Of the way from the match to it.
    probability: f64,
    /// When it was found; the earlier wins a tie.
    n_opened: usize,
    node: u32,
    parent: Option<usize>,
    share: f64,
}

impl Eq for Open {}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_age = || other.n_opened.cmp(&self.n_opened);
        self.probability.total_cmp(&other.probability).then_with(by_age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trie(texts: &[&[u32]], depth: usize) -> CountedTrie {
        let mut trie = CountedTrie::new(depth);
        for text in texts {
            let mut reading = Reading::default();
            for &token in *text {
                trie.append(&mut reading, token);
            }
        }
        trie
    }

    fn reach(factor: f64, offset: f64, least_probability: f64) -> Reach {
        Reach { most: 8, factor, offset, least_probability }
    }

    /// Vectors made by running the suffix tree of Arctic Inference over one text.
    #[track_caller]
    fn check(likely: &Likely, n_matched: usize, score: f64, nodes: &[(u32, Option<usize>)]) {
        let found: Vec<_> = likely.nodes.iter().map(|node| (node.token, node.parent)).collect();
        assert_eq!((likely.n_matched, &found[..]), (n_matched, nodes));
        assert!((likely.score - score).abs() < 1e-4, "{} is not {score}", likely.score);
    }

    fn chain(tokens: &[u32]) -> Vec<(u32, Option<usize>)> {
        tokens.iter().enumerate().map(|(idx, token)| (*token, idx.checked_sub(1))).collect()
    }

    #[test]
    fn drafts_as_arctic_inference_does() {
        let trie = trie(&[&[1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3, 4]], 24);
        let path = |context: &[u32], reach: Reach| trie.continuation(context, reach);
        check(&path(&[4, 1, 2, 3], reach(1.0, 0.0, 0.1)), 3, 1.3333, &chain(&[4, 1, 2]));
        let further = path(&[4, 1, 2, 3], reach(2.0, 0.0, 0.1));
        check(&further, 3, 2.3333, &chain(&[4, 1, 2, 3, 5, 1]));
        check(&path(&[1, 2, 3], reach(1.0, 2.0, 0.1)), 2, 1.6667, &chain(&[4, 1, 2, 3]));
        check(&path(&[9, 1, 2, 3], reach(1.0, 0.0, 0.6)), 3, 0.6667, &chain(&[4]));
        check(&path(&[9, 9], reach(1.0, 0.0, 0.1)), 0, 0.0, &[]);
    }

    #[test]
    fn drafts_trees_as_arctic_inference_does() {
        let trie = trie(&[&[1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3, 4]], 24);
        let both = trie.continuations(&[9, 2, 3], reach(1.0, 0.0, 0.1));
        check(&both, 2, 1.0, &[(4, None), (5, None)]);
        let further = trie.continuations(&[9, 2, 3], reach(2.0, 0.0, 0.1));
        check(&further, 2, 1.6667, &[(4, None), (5, None), (1, Some(0)), (1, Some(1))]);
    }

    #[test]
    fn nothing_is_guessed_from_nothing() {
        let reach = reach(1.0, 0.0, 0.1);
        assert_eq!(CountedTrie::new(8).continuation(&[1, 2, 3], reach), Likely::default());
        assert_eq!(trie(&[&[1, 2]], 8).continuation(&[], reach), Likely::default());
    }

    proptest! {
        #[test]
        fn a_count_is_the_number_of_occurrences(
            texts in prop::collection::vec(prop::collection::vec(0u32..4, 0..40), 1..4),
            string in prop::collection::vec(0u32..4, 1..6),
        ) {
            let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
            let occurrences: usize = texts
                .iter()
                .map(|text| text.windows(string.len()).filter(|&window| window == string).count())
                .sum();
            prop_assert_eq!(trie(&texts, 6).count(&string) as usize, occurrences);
        }
    }
}
