//! EAGLE-3 drafting: a head reads the model's hidden states and guesses on from them.
//!
//! Row `i` of the head is the model's hidden states at token `i` and the embedding of token `i + 1`;
//! the last row of the text says what follows the newest token, and each drafted token makes a row of
//! its own from the row before. Source: "EAGLE-3", <https://arxiv.org/abs/2503.01840>; the tree is
//! that of "EAGLE-2", <https://arxiv.org/abs/2406.16858>.

use std::sync::Arc;

use super::{
    About, Draft, Drafter, Limits, Node,
    head::{Eagle3Head, HeadScratch, Rows},
};
use crate::{
    domain::{DraftShape, Method},
    lm::{Error, LanguageModel, kv_cache::KvCache},
    nn::kernels::{Pool, Sight},
};

/// Rows of the text that are read before a draft: a prompt takes several steps, which stay short.
const MOST_ROWS: usize = 256;

/// The drafter of one reply.
pub struct Eagle3 {
    head: Arc<Eagle3Head>,
    model: Arc<LanguageModel>,
    taps: Vec<usize>,
    draft_tokens: usize,
    shape: DraftShape,
    min_probability: f32,
    scratch: HeadScratch,
    /// Keys and values of the rows that stand.
    cache: KvCache,
    /// The row that the cache begins with: those before it were known from another reply.
    first_row: usize,
    /// Rows of the text that the cache holds.
    n_stable: usize,
    /// Features of the rows behind those.
    heard: Vec<f32>,
    last: Option<Last>,
}

/// What the last row of the text came to.
struct Last {
    feature: Vec<f32>,
    log_probabilities: Vec<f32>,
}

/// A token that may be drafted.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    token: u32,
    parent: Option<usize>,
    /// Logarithm of how likely it is after its parent.
    own: f32,
    /// The same of the whole way to it.
    whole: f32,
    depth: usize,
}

impl Eagle3 {
    /// For a reply of `model`.
    ///
    /// * `draft_tokens`: to draft at most.
    /// * `min_probability`: of the way to a drafted token.
    ///
    /// # Errors
    /// If the head is another model's.
    pub fn new(
        head: Arc<Eagle3Head>,
        model: Arc<LanguageModel>,
        draft_tokens: usize,
        shape: DraftShape,
        min_probability: f32,
        pool: Arc<Pool>,
    ) -> Result<Self, Error> {
        let taps = head.fit(model.network().config()).map_err(Error::Speculation)?;
        if !head.has_embedding() && !model.network().has_embedding_here() {
            return Err(Error::Speculation(
                "the EAGLE-3 head borrows the model's embedding, which lies on the graphics \
                 processor; run the model on the CPU, or choose another method"
                    .to_owned(),
            ));
        }
        let (cache, scratch) = (head.new_cache(), HeadScratch::new(pool));
        Ok(Self {
            head,
            model,
            taps,
            draft_tokens,
            shape,
            min_probability,
            scratch,
            cache,
            first_row: 0,
            n_stable: 0,
            heard: Vec::new(),
            last: None,
        })
    }

    /// Reads rows of the text that were heard; whether that is all of them.
    fn catch_up(&mut self, context: &[u32]) -> bool {
        self.cache.truncate(self.n_stable);
        let n_embd = self.head.n_embd();
        let n_rows = (self.heard.len() / n_embd).min(MOST_ROWS);
        let from = self.first_row + self.n_stable;
        // A row wants the token behind it, which a reply that was cut short may not have.
        if n_rows == 0 || from + n_rows >= context.len() {
            return n_rows == 0 && from + 1 == context.len();
        }
        let is_last = from + n_rows + 1 == context.len();
        let mut features: Vec<f32> = self.heard.drain(..n_rows * n_embd).collect();
        let positions: Vec<usize> = (from..from + n_rows).collect();
        let sights: Vec<Sight<'_>> =
            (self.n_stable..).take(n_rows).map(|slot| Sight::first(slot + 1)).collect();
        let rows = Rows {
            tokens: &context[from + 1..=from + n_rows],
            positions: &positions,
            sights: &sights,
            wanted: &(n_rows - usize::from(is_last)..n_rows),
        };
        let Self { head, model, cache, scratch, .. } = self;
        let embed = |token: u32, out: &mut [f32]| model.network().copy_embedding(token, out);
        let logits = head.forward(rows, &mut features, &embed, cache, scratch);
        let log_probabilities = log_softmax(logits);
        self.n_stable += n_rows;
        self.last = is_last.then(|| {
            let feature = features[(n_rows - 1) * n_embd..].to_vec();
            Last { feature, log_probabilities }
        });
        is_last
    }

    /// Passes drafted tokens through, which all stand at one place of the text.
    ///
    /// * `paths`: slots of the cache that each sees behind the stable ones, its own last.
    fn step(
        &mut self,
        tokens: &[u32],
        position: usize,
        features: &mut [f32],
        paths: &[Vec<usize>],
    ) -> Vec<f32> {
        let n_positions = self.n_stable;
        let sights: Vec<Sight<'_>> =
            paths.iter().map(|beyond| Sight { n_positions, beyond }).collect();
        let positions = vec![position; tokens.len()];
        let wanted = 0..tokens.len();
        let rows = Rows { tokens, positions: &positions, sights: &sights, wanted: &wanted };
        let Self { head, model, cache, scratch, .. } = self;
        let embed = |token: u32, out: &mut [f32]| model.network().copy_embedding(token, out);
        head.forward(rows, features, &embed, cache, scratch).to_vec()
    }

    fn chain(&mut self, position: usize, n_tokens: usize) -> Vec<Candidate> {
        let Some(Last { feature, log_probabilities }) = &self.last else { return Vec::new() };
        let (mut feature, mut log_probabilities) = (feature.clone(), log_probabilities.clone());
        let mut path = Vec::new();
        let mut drafted: Vec<Candidate> = Vec::new();
        for depth in 0..n_tokens {
            let Some(&(place, own)) = likeliest(&log_probabilities, 1).first() else { break };
            let whole = own + drafted.last().map_or(0.0, |last| last.whole);
            if whole.exp() < self.min_probability {
                break;
            }
            let (token, parent) = (self.head.tokens()[place], depth.checked_sub(1));
            drafted.push(Candidate { token, parent, own, whole, depth });
            if depth + 1 < n_tokens {
                path.push(self.n_stable + depth);
                let paths = [path.clone()];
                let logits = self.step(&[token], position + depth, &mut feature, &paths);
                log_probabilities = log_softmax(&logits);
            }
        }
        drafted
    }

    /// The likeliest tokens of a tree that grows level by level, each from the `top_k` likeliest
    /// tokens of the one before.
    fn tree(
        &mut self,
        position: usize,
        n_tokens: usize,
        n_levels: usize,
        top_k: usize,
    ) -> Vec<Candidate> {
        let Some(Last { feature, log_probabilities }) = &self.last else { return Vec::new() };
        let mut all: Vec<Candidate> = Vec::new();
        let grow = |all: &mut Vec<Candidate>, parent: Option<usize>, log_probabilities: &[f32]| {
            let (above, depth) =
                parent.map_or((0.0, 0), |idx| (all[idx].whole, all[idx].depth + 1));
            for (place, own) in likeliest(log_probabilities, top_k) {
                let token = self.head.tokens()[place];
                all.push(Candidate { token, parent, own, whole: above + own, depth });
            }
        };
        grow(&mut all, None, log_probabilities);
        let n_embd = feature.len();
        let mut frontier: Vec<usize> = (0..all.len()).collect();
        let mut features = feature.repeat(frontier.len());
        // The slots that each of the frontier sees, its own to come.
        let mut paths: Vec<Vec<usize>> = vec![Vec::new(); frontier.len()];
        for level in 1..n_levels {
            let first_slot = self.cache.len();
            for (path, slot) in paths.iter_mut().zip(first_slot..) {
                path.push(slot);
            }
            let tokens: Vec<u32> = frontier.iter().map(|idx| all[*idx].token).collect();
            let logits = self.step(&tokens, position + level - 1, &mut features, &paths);
            let from = all.len();
            let n_drafted = self.head.tokens().len();
            let mut row_of = Vec::new();
            for (row, logits) in logits.chunks_exact(n_drafted).enumerate() {
                let log_probabilities = log_softmax(logits);
                let (above, depth) = (all[frontier[row]].whole, all[frontier[row]].depth + 1);
                for (place, own) in likeliest(&log_probabilities, top_k) {
                    let (token, parent) = (self.head.tokens()[place], Some(frontier[row]));
                    all.push(Candidate { token, parent, own, whole: above + own, depth });
                    row_of.push(row);
                }
            }
            let mut best: Vec<usize> = (from..all.len()).collect();
            best.sort_by(|a, b| all[*b].whole.total_cmp(&all[*a].whole).then(a.cmp(b)));
            best.truncate(top_k);
            let rows: Vec<usize> = best.iter().map(|idx| row_of[idx - from]).collect();
            features = rows
                .iter()
                .flat_map(|row| features[row * n_embd..(row + 1) * n_embd].iter().copied())
                .collect();
            paths = rows.iter().map(|row| paths[*row].clone()).collect();
            frontier = best;
        }
        prune(&all, n_tokens, self.min_probability)
    }
}

/// The likeliest tokens, which stand behind their parents: a way is no likelier than its beginning.
fn prune(all: &[Candidate], n_tokens: usize, min_probability: f32) -> Vec<Candidate> {
    let mut best: Vec<usize> = (0..all.len()).collect();
    best.sort_by(|a, b| all[*b].whole.total_cmp(&all[*a].whole).then(a.cmp(b)));
    best.truncate(n_tokens);
    best.retain(|idx| all[*idx].whole.exp() >= min_probability);
    best.sort_unstable();
    let place = |idx: usize| best.binary_search(&idx).ok();
    best.iter()
        .map(|idx| Candidate { parent: all[*idx].parent.and_then(place), ..all[*idx] })
        .collect()
}

impl Drafter for Eagle3 {
    fn n_bytes(&self) -> u64 {
        let heard = self.heard.capacity() * size_of::<f32>();
        self.head.n_bytes() + self.cache.n_bytes() + heard as u64
    }

    fn taps(&self) -> &[usize] {
        &self.taps
    }

    fn observe(&mut self, first_position: usize, hidden: &[f32]) {
        let n_embd = self.head.n_embd();
        let next = self.first_row + self.n_stable + self.heard.len() / n_embd;
        if first_position != next {
            // Another reply has read what lies between, and its hidden states are gone.
            self.cache.truncate(0);
            self.heard.clear();
            (self.first_row, self.n_stable, self.last) = (first_position, 0, None);
        }
        self.head.fuse(hidden, &mut self.scratch, &mut self.heard);
    }

    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        if !self.catch_up(context) {
            return Draft::default();
        }
        let n_tokens = self.draft_tokens.min(limits.n_tokens);
        // The row of the first drafted token stands behind those of the text.
        let position = context.len() - 1;
        let candidates = match self.shape {
            DraftShape::Chain => self.chain(position, n_tokens.min(limits.depth)),
            DraftShape::Tree { depth, top_k } => {
                self.tree(position, n_tokens, depth.min(limits.depth), top_k)
            }
        };
        let about = About { method: Some(Method::Eagle3), ..About::default() };
        let nodes = candidates.iter().map(|c| Node { token: c.token, parent: c.parent }).collect();
        let probabilities = candidates.iter().map(|candidate| candidate.own.exp()).collect();
        Draft::tree(nodes).with_probabilities(probabilities).with_about(about)
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    let normalizer = highest + total.ln();
    logits.iter().map(|logit| logit - normalizer).collect()
}

/// Places of the `n` highest values and the values, the highest first, the lower place first among
/// equals.
fn likeliest(values: &[f32], n: usize) -> Vec<(usize, f32)> {
    let mut top: Vec<(usize, f32)> = Vec::with_capacity(n + 1);
    for (place, value) in values.iter().enumerate() {
        if top.len() == n && top.last().is_none_or(|(_, last)| *value <= *last) {
            continue;
        }
        let at = top.partition_point(|(_, other)| other >= value);
        top.insert(at, (place, *value));
        top.truncate(n);
    }
    top
}

#[cfg(test)]
#[path = "eagle3_tests.rs"]
mod tests;
