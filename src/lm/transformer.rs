//! The Llama transformer: one pass over rows of several sequences at once.
//!
//! Pre-norm blocks of grouped-query attention with interleaved rotary embedding and `SwiGLU`, root
//! mean square norms, a tied or own output head. Sources: <https://arxiv.org/abs/2302.13971>,
//! <https://arxiv.org/abs/2407.21783>; the order of query and key rows is llama.cpp's, where pairs
//! that turn together are neighbours.
//!
//! Every row is computed as if it were alone (see [`kernels`](crate::nn::kernels)), so logits do not
//! depend on how a prompt is cut into chunks, on drafted neighbours or on other sequences.

use std::{ops::Range, sync::Arc};

use super::{
    Error,
    adapters::{AdapterScratch, AdapterSet, Input, RowsOfAdapter, apply, rows_by_adapter},
    checkpoint::{self, Checkpoint, Part, Weight},
    config::Config,
    kv_cache::KvCache,
};
use crate::{
    job::Cancelled,
    nn::kernels::{
        Activations, AttentionScratch, Instructions, Matrix, Pool, Sight, add, attend, rms_norm,
        rotate_pairs, silu_mul,
    },
};

/// The weights.
#[derive(Debug)]
pub struct Transformer {
    config: Config,
    instructions: Instructions,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// `None` if the embedding serves as the head.
    head: Option<Matrix>,
}

#[derive(Debug)]
struct Layer {
    attn_norm: Vec<f32>,
    q: Matrix,
    k: Matrix,
    v: Matrix,
    o: Matrix,
    ffn_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// Rows of one sequence: tokens that stand behind what its cache holds, of whichever kind that is.
#[derive(Debug)]
pub struct Span<'a, C = KvCache> {
    /// Tokens to pass through, a row each.
    pub tokens: &'a [u32],
    /// How they follow each other.
    pub order: Order<'a>,
    /// The sequence's keys and values, which the pass adds to, a position a row. After a tree,
    /// [`KvCache::compact`] leaves those of the path that is kept.
    pub cache: &'a mut C,
    /// What the model is changed by for these rows.
    pub adapters: &'a AdapterSet,
    /// The rows whose logits are wanted.
    pub wanted: Range<usize>,
    /// Whose hidden states are wanted, if any.
    pub taps: Option<Taps<'a>>,
}

/// How the rows of a span follow each other. A row sees the cache, the rows before it on its path,
/// and itself; its position is how many tokens that is, less one.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// Each row follows the one before.
    Chain,
    /// Row 0 follows the cache, and row `i + 1` the row `parents[i]`, which is not behind `i`.
    Tree(&'a [usize]),
}

/// Hidden states on their way out.
#[derive(Debug)]
pub struct Taps<'a> {
    /// The residual stream that enters each of these layers; `n_layers` stands for what leaves the
    /// last.
    pub layers: &'a [usize],
    /// Becomes `(n_rows, n_taps, n_embd)`.
    pub hidden: &'a mut Vec<f32>,
}

impl<'a, C> Span<'a, C> {
    /// Text that goes on, with the logits of its last `n_logits` tokens wanted.
    pub fn chain(tokens: &'a [u32], cache: &'a mut C, n_logits: usize) -> Self {
        let wanted = tokens.len() - n_logits..tokens.len();
        let adapters = AdapterSet::NONE;
        Self { tokens, order: Order::Chain, cache, adapters, wanted, taps: None }
    }

    /// The same rows over what `cache_of` makes of the cache.
    pub fn map_cache<D>(self, cache_of: impl FnOnce(&'a mut C) -> &'a mut D) -> Span<'a, D> {
        let Self { tokens, order, cache, adapters, wanted, taps } = self;
        Span { tokens, order, cache: cache_of(cache), adapters, wanted, taps }
    }
}

impl Order<'_> {
    /// Finds how many of `n_rows` rows each one follows.
    ///
    /// # Panics
    /// If a row of a tree has no parent, or follows none before it.
    pub fn find_depths(self, n_rows: usize, depths: &mut Vec<usize>) {
        depths.clear();
        match self {
            Order::Chain => depths.extend(0..n_rows),
            Order::Tree(parents) => {
                assert_eq!(parents.len() + 1, n_rows, "all rows but the root have a parent");
                depths.push(0);
                for parent in parents {
                    // A parent that stands behind has no depth yet.
                    depths.push(depths[*parent] + 1);
                }
            }
        }
    }
}

/// Buffers that passes use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Whose threads share the work.
    pool: Arc<Pool>,
    activations: Activations,
    attention: AttentionScratch,
    adapters: AdapterScratch,
    x: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    angles: Vec<(f32, f32)>,
    /// How many rows of its span each row follows.
    depths: Vec<usize>,
    /// Positions in the cache of each tree row's path, one row after the other.
    paths: Vec<usize>,
    /// What each row sees: the first positions of the cache, and a stretch of `paths`.
    reach: Vec<(usize, Range<usize>)>,
    logits: Vec<f32>,
}

impl Scratch {
    /// Keeps logits that were computed elsewhere.
    pub fn keep_logits(&mut self, logits: Vec<f32>) -> &[f32] {
        self.logits = logits;
        &self.logits
    }

    /// Lets passes share their work among other threads.
    pub fn set_pool(&mut self, pool: Arc<Pool>) {
        self.pool = pool;
    }

    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let Self { x, normed, q, k, v, gate, up, logits, .. } = self;
        let n_values: usize =
            [x, normed, q, k, v, gate, up, logits].iter().map(|buffer| buffer.capacity()).sum();
        (n_values * size_of::<f32>() + self.angles.capacity() * size_of::<(f32, f32)>()) as u64
            + self.activations.n_bytes()
            + self.attention.n_bytes()
            + self.adapters.n_bytes()
    }
}

impl Transformer {
    /// Reads the weights.
    ///
    /// # Errors
    /// If a tensor is missing, misshaped, unknown or unreadable, or the load was cancelled.
    pub fn load(config: Config, checkpoint: &mut dyn Checkpoint) -> Result<Self, Error> {
        checkpoint::check(checkpoint, &config)?;
        let Config { n_vocab, n_embd, n_ff, n_layers, .. } = config;
        let n_query = config.n_heads * config.head_dim;
        let n_kv = config.n_kv_heads * config.head_dim;
        let embedding = checkpoint.matrix(Weight::Embedding, n_vocab, n_embd)?;
        let mut layers = Vec::new();
        for layer_idx in 0..n_layers {
            let weight = |part| Weight::Layer(layer_idx, part);
            layers.push(Layer {
                attn_norm: checkpoint.vector(weight(Part::AttnNorm), n_embd)?,
                q: checkpoint.matrix(weight(Part::Query), n_query, n_embd)?,
                k: checkpoint.matrix(weight(Part::Key), n_kv, n_embd)?,
                v: checkpoint.matrix(weight(Part::Value), n_kv, n_embd)?,
                o: checkpoint.matrix(weight(Part::Output), n_embd, n_query)?,
                ffn_norm: checkpoint.vector(weight(Part::FfnNorm), n_embd)?,
                gate: checkpoint.matrix(weight(Part::Gate), n_ff, n_embd)?,
                up: checkpoint.matrix(weight(Part::Up), n_ff, n_embd)?,
                down: checkpoint.matrix(weight(Part::Down), n_embd, n_ff)?,
            });
        }
        let norm = checkpoint.vector(Weight::Norm, n_embd)?;
        let head = if config.is_tied {
            None
        } else {
            Some(checkpoint.matrix(Weight::Head, n_vocab, n_embd)?)
        };
        Ok(Self { config, instructions: Instructions::best(), embedding, layers, norm, head })
    }

    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The instruction set that its kernels run on.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// The embedding of a token, `(n_embd,)`.
    ///
    /// # Panics
    /// If it is not in the vocabulary.
    pub fn copy_embedding(&self, token: u32, out: &mut [f32]) {
        self.embedding.copy_row(token as usize, out);
    }

    /// Whether some layer's weights are in blocks, which round activations to eight bits.
    pub fn is_quantized(&self) -> bool {
        self.layers.iter().flat_map(Layer::matrices).any(|matrix| !matrix.is_plain())
    }

    /// Bytes of all weights in memory.
    pub fn n_bytes(&self) -> u64 {
        let matrices = self.layers.iter().flat_map(Layer::matrices).chain(&self.head);
        let norms = self.layers.len() * 2 + 1;
        self.embedding.n_bytes()
            + matrices.map(Matrix::n_bytes).sum::<u64>()
            + (norms * self.config.n_embd * size_of::<f32>()) as u64
    }

    /// Passes the spans' tokens through and returns the wanted logits, `(n_wanted, n_vocab)`, in
    /// the order of the spans.
    ///
    /// `check` is asked before every layer; if it says so the pass ends there, and no cache has
    /// changed.
    ///
    /// # Errors
    /// [`Cancelled`] if `check` said so.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or a row of a tree follows none before it.
    pub fn forward<'s>(
        &self,
        spans: &mut [Span<'_>],
        scratch: &'s mut Scratch,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
    ) -> Result<&'s [f32], Cancelled> {
        self.embed(spans, scratch);
        // Taken out for the time of the pass, since every layer looks at them.
        let paths = std::mem::take(&mut scratch.paths);
        let sight = |(n_positions, path): &(usize, Range<usize>)| Sight {
            n_positions: *n_positions,
            beyond: &paths[path.clone()],
        };
        let sights: Vec<Sight<'_>> = scratch.reach.iter().map(sight).collect();
        let changes = rows_by_adapter(spans.iter().map(|span| (span.tokens.len(), span.adapters)));
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            check()?;
            self.tap(layer_idx, spans, &scratch.x);
            self.attention((layer_idx, layer), spans, &sights, &changes, scratch);
            self.feed_forward((layer_idx, layer), &changes, scratch);
        }
        scratch.paths = paths;
        self.tap(self.layers.len(), spans, &scratch.x);
        for span in &mut *spans {
            span.cache.commit(span.tokens.len());
        }
        Ok(self.logits(spans, scratch))
    }

    fn embed(&self, spans: &mut [Span<'_>], scratch: &mut Scratch) {
        let Config { n_embd, rope_frequencies, .. } = &self.config;
        let n_rows: usize = spans.iter().map(|span| span.tokens.len()).sum();
        let Scratch { x, angles, depths, paths, reach, .. } = scratch;
        x.resize(n_rows * n_embd, 0.0);
        angles.clear();
        paths.clear();
        reach.clear();
        let mut rows = x.chunks_exact_mut(*n_embd);
        for span in spans {
            span.cache.reserve(span.tokens.len());
            span.order.find_depths(span.tokens.len(), depths);
            find_reach(span, paths, reach);
            for ((depth, token), row) in depths.iter().zip(span.tokens).zip(&mut rows) {
                self.embedding.copy_row(*token as usize, row);
                let position = (span.cache.len() + depth) as f64;
                angles.extend(rope_frequencies.iter().map(|frequency| {
                    let (sin, cos) = (position * frequency).sin_cos();
                    (cos as f32, sin as f32)
                }));
            }
        }
    }

    /// Hands out the residual stream, as it enters a layer, to whoever wants it.
    fn tap(&self, layer_idx: usize, spans: &mut [Span<'_>], x: &[f32]) {
        let n_embd = self.config.n_embd;
        let mut rows = x.chunks_exact(n_embd);
        for span in spans {
            let rows = rows.by_ref().take(span.tokens.len());
            let Some(Taps { layers, hidden }) = &mut span.taps else {
                rows.for_each(drop);
                continue;
            };
            hidden.resize(span.tokens.len() * layers.len() * n_embd, 0.0);
            let of_row = hidden.chunks_exact_mut((layers.len() * n_embd).max(1));
            for (row, hidden) in rows.zip(of_row) {
                for (layer, hidden) in layers.iter().zip(hidden.chunks_exact_mut(n_embd)) {
                    if *layer == layer_idx {
                        hidden.copy_from_slice(row);
                    }
                }
            }
        }
    }

    fn attention(
        &self,
        (layer_idx, layer): (usize, &Layer),
        spans: &mut [Span<'_>],
        sights: &[Sight<'_>],
        changes: &[RowsOfAdapter<'_>],
        scratch: &mut Scratch,
    ) {
        let Config { head_dim, rope_frequencies, .. } = &self.config;
        let Scratch { pool, activations, attention, adapters, x, normed, q, k, v, angles, .. } =
            scratch;
        self.norm_rows(&layer.attn_norm, x, normed, activations);
        self.multiply(
            pool,
            activations,
            [(&layer.q, &mut *q), (&layer.k, &mut *k), (&layer.v, &mut *v)],
        );
        let with = (&**pool, self.instructions);
        let place = (layer_idx, Input::Attention);
        apply(changes, place, with, activations, [&mut q[..], &mut k[..], &mut v[..]], adapters);
        let (n_query, n_kv) = (layer.q.n_out(), layer.k.n_out());
        for (heads, n_out) in [(&mut *q, n_query), (&mut *k, n_kv)] {
            let angles = angles.chunks_exact(rope_frequencies.len());
            for (row, angles) in heads.chunks_exact_mut(n_out).zip(angles) {
                for head in row.chunks_exact_mut(*head_dim) {
                    rotate_pairs(head, angles);
                }
            }
        }
        normed.resize(q.len(), 0.0);
        let mut keys_and_values = k.chunks_exact(n_kv).zip(v.chunks_exact(n_kv));
        let mut first_row = 0;
        for span in spans {
            let positions = span.cache.len()..span.cache.len() + span.tokens.len();
            for (position, (key, value)) in positions.zip(&mut keys_and_values) {
                span.cache.write(layer_idx, position, key, value);
            }
            let rows = first_row..first_row + span.tokens.len();
            first_row = rows.end;
            let of_rows = rows.start * n_query..rows.end * n_query;
            attend(
                pool,
                self.instructions,
                &q[of_rows.clone()],
                span.cache.layer(layer_idx),
                &sights[rows],
                attention,
                &mut normed[of_rows],
            );
        }
        activations.assign(self.instructions, normed, n_query);
        self.multiply(pool, activations, [(&layer.o, &mut *q)]);
        let place = (layer_idx, Input::Mixed);
        apply(changes, place, with, activations, [&mut q[..]], adapters);
        add(x, q);
    }

    fn feed_forward(
        &self,
        (layer_idx, layer): (usize, &Layer),
        changes: &[RowsOfAdapter<'_>],
        scratch: &mut Scratch,
    ) {
        let Scratch { pool, activations, adapters, x, normed, gate, up, .. } = scratch;
        self.norm_rows(&layer.ffn_norm, x, normed, activations);
        self.multiply(pool, activations, [(&layer.gate, &mut *gate), (&layer.up, &mut *up)]);
        let with = (&**pool, self.instructions);
        let place = (layer_idx, Input::FeedForward);
        apply(changes, place, with, activations, [&mut gate[..], &mut up[..]], adapters);
        silu_mul(self.instructions, gate, up);
        activations.assign(self.instructions, gate, layer.gate.n_out());
        self.multiply(pool, activations, [(&layer.down, &mut *normed)]);
        let place = (layer_idx, Input::Gated);
        apply(changes, place, with, activations, [&mut normed[..]], adapters);
        add(x, normed);
    }

    fn logits<'s>(&self, spans: &[Span<'_>], scratch: &'s mut Scratch) -> &'s [f32] {
        let n_embd = self.config.n_embd;
        let Scratch { pool, activations, x, normed, q: wanted, logits, .. } = scratch;
        wanted.clear();
        let mut rows = x.chunks_exact(n_embd);
        for span in spans {
            for (i, row) in (&mut rows).take(span.tokens.len()).enumerate() {
                if span.wanted.contains(&i) {
                    wanted.extend_from_slice(row);
                }
            }
        }
        if wanted.is_empty() {
            return &[];
        }
        self.norm_rows(&self.norm, wanted, normed, activations);
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        self.multiply(pool, activations, [(head, &mut *logits)]);
        logits
    }

    fn norm_rows(
        &self,
        weight: &[f32],
        x: &[f32],
        normed: &mut Vec<f32>,
        activations: &mut Activations,
    ) {
        normed.resize(x.len(), 0.0);
        rms_norm(x, weight, self.config.rms_eps, normed);
        activations.assign(self.instructions, normed, weight.len());
    }

    fn multiply<const N: usize>(
        &self,
        pool: &Pool,
        activations: &Activations,
        products: [(&Matrix, &mut Vec<f32>); N],
    ) {
        let products = products.map(|(matrix, out)| {
            out.resize(activations.n_rows() * matrix.n_out(), 0.0);
            (matrix, &mut out[..])
        });
        Matrix::multiply(pool, self.instructions, activations, products);
    }
}

/// What each row of a span sees.
fn find_reach(span: &Span<'_>, paths: &mut Vec<usize>, reach: &mut Vec<(usize, Range<usize>)>) {
    let base = span.cache.len();
    let Order::Tree(parents) = span.order else {
        reach.extend((0..span.tokens.len()).map(|i| (base + i + 1, 0..0)));
        return;
    };
    for i in 0..span.tokens.len() {
        let begin = paths.len();
        let mut at = i;
        while at > 0 {
            paths.push(base + at);
            at = parents[at - 1];
        }
        // The root stands right behind what the cache holds.
        paths[begin..].reverse();
        reach.push((base + 1, begin..paths.len()));
    }
}

impl Layer {
    fn matrices(&self) -> [&Matrix; 7] {
        [&self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::tiny::{self, N_VOCAB, Shape, TinyFile};
    use proptest::prelude::*;

    fn tokens(n: usize, seed: u32) -> Vec<u32> {
        (0..n as u32).map(|i| (i * 37 + seed * 101) % 256).collect()
    }

    /// The logits of every token of a prompt that is passed through in chunks.
    fn in_chunks(model: &Transformer, tokens: &[u32], chunk: usize) -> Vec<f32> {
        let mut cache = KvCache::new(model.config());
        let mut scratch = Scratch::default();
        let mut logits = Vec::new();
        for tokens in tokens.chunks(chunk) {
            let span = Span::chain(tokens, &mut cache, tokens.len());
            logits.extend(model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap());
        }
        logits
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn how_a_prompt_is_cut_changes_no_bit(n in 1usize..40, chunk in 1usize..40, seed in 0u32..9) {
            let model = tiny::model(1);
            let tokens = tokens(n, seed);
            prop_assert_eq!(
                in_chunks(model.transformer(), &tokens, chunk),
                in_chunks(model.transformer(), &tokens, 1)
            );
        }
    }

    #[test]
    fn how_a_prompt_is_cut_changes_no_bit_in_the_default_model_s_sizes() {
        let shape = Shape { n_embd: 576, n_ff: 1536, n_heads: 9, n_kv_heads: 3 };
        let model = TinyFile::shaped(5, shape).load().unwrap();
        let tokens = tokens(60, 3);
        let expected = in_chunks(model.transformer(), &tokens, 1);
        for chunk in 2..=60 {
            let found = in_chunks(model.transformer(), &tokens, chunk);
            assert!(found == expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn neighbours_in_a_pass_change_no_bit() {
        let model = tiny::model(2);
        let model = model.transformer();
        let (a, b) = (tokens(13, 1), tokens(21, 2));
        let (mut cache_a, mut cache_b) =
            (KvCache::new(model.config()), KvCache::new(model.config()));
        let mut scratch = Scratch::default();
        let mut spans = [Span::chain(&a, &mut cache_a, 13), Span::chain(&b, &mut cache_b, 2)];
        let together = model.forward(&mut spans, &mut scratch, &mut || Ok(())).unwrap();
        let (of_a, of_b) = together.split_at(13 * N_VOCAB);
        assert_eq!(of_a, in_chunks(model, &a, 13));
        assert_eq!(of_b, &in_chunks(model, &b, 21)[19 * N_VOCAB..]);
    }

    #[test]
    fn threads_change_no_bit() {
        let model = tiny::model(2);
        let model = model.transformer();
        let tokens = tokens(90, 1);
        let mut scratch = Scratch::default();
        scratch.set_pool(Arc::new(Pool::new(std::num::NonZeroUsize::new(3).unwrap()).unwrap()));
        let mut cache = KvCache::new(model.config());
        let span = Span::chain(&tokens, &mut cache, 90);
        let shared = model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap();
        assert_eq!(shared, in_chunks(model, &tokens, 90));
    }

    #[test]
    fn a_forgotten_draft_leaves_no_trace() {
        let model = tiny::model(3);
        let model = model.transformer();
        let mut cache = KvCache::new(model.config());
        let mut scratch = Scratch::default();
        let mut pass = |cache: &mut KvCache, tokens: &[u32]| {
            let span = Span::chain(tokens, cache, 1);
            model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap().to_vec()
        };
        pass(&mut cache, &[1, 2, 3]);
        pass(&mut cache, &[4, 99, 98, 97]);
        cache.truncate(4);
        let mut copied = cache.copy_prefix(4);
        let expected = in_chunks(model, &[1, 2, 3, 4, 5], 5)[4 * N_VOCAB..].to_vec();
        assert_eq!(pass(&mut cache, &[5]), expected);
        assert_eq!(pass(&mut copied, &[5]), expected);
    }

    #[test]
    fn a_cancelled_pass_changes_no_cache() {
        let model = tiny::model(3);
        let model = model.transformer();
        let mut cache = KvCache::new(model.config());
        let span = Span::chain(&[1, 2], &mut cache, 1);
        let mut scratch = Scratch::default();
        let outcome = model.forward(&mut [span], &mut scratch, &mut || Err(Cancelled));
        assert_eq!(outcome, Err(Cancelled));
        assert_eq!(cache.len(), 0);
    }

    /// The rows from the root of a tree to row `i`.
    fn path_to(parents: &[usize], i: usize) -> Vec<usize> {
        let mut path = vec![i];
        while path[0] > 0 {
            path.insert(0, parents[path[0] - 1]);
        }
        path
    }

    /// A tree of rows; `numbers` decide where each one hangs.
    fn parents(numbers: &[u16]) -> Vec<usize> {
        (1..).zip(numbers).map(|(n_before, number)| usize::from(*number) % n_before).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn each_row_of_a_tree_sees_what_its_path_alone_would_show(
            n_prompt in 1usize..30,
            numbers in prop::collection::vec(any::<u16>(), 0..24),
            seed in 0u32..9,
        ) {
            let model = tiny::model(4);
            let model = model.transformer();
            let (prompt, nodes) = (tokens(n_prompt, seed), tokens(numbers.len() + 1, seed + 20));
            let parents = parents(&numbers);
            let mut scratch = Scratch::default();
            let mut cache = KvCache::new(model.config());
            let mut of_neighbour = KvCache::new(model.config());
            let span = Span::chain(&prompt, &mut cache, 0);
            model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap();
            let neighbour = tokens(7, seed + 3);
            let mut hidden = Vec::new();
            let mut spans = [
                Span::chain(&neighbour, &mut of_neighbour, 1),
                Span {
                    tokens: &nodes,
                    order: Order::Tree(&parents),
                    cache: &mut cache,
                    adapters: AdapterSet::NONE,
                    wanted: 0..nodes.len(),
                    taps: Some(Taps { layers: &[2, 0], hidden: &mut hidden }),
                },
            ];
            let logits = model.forward(&mut spans, &mut scratch, &mut || Ok(())).unwrap();
            let of_tree = logits[N_VOCAB..].to_vec();
            for row in 0..nodes.len() {
                let path = path_to(&parents, row);
                let text: Vec<u32> =
                    prompt.iter().copied().chain(path.iter().map(|i| nodes[*i])).collect();
                let alone = in_chunks(model, &text, text.len());
                prop_assert_eq!(
                    &of_tree[row * N_VOCAB..][..N_VOCAB],
                    &alone[(text.len() - 1) * N_VOCAB..],
                    "row {} of {:?}", row, parents
                );
                let last = |layer: usize| plain_hidden(model, &text, layer).split_off((text.len() - 1) * tiny::N_EMBD);
                prop_assert_eq!(
                    &hidden[row * 2 * tiny::N_EMBD..][..2 * tiny::N_EMBD],
                    [last(2), last(0)].concat()
                );
            }

            // The path to the last row is kept, as if nothing else had been there.
            let path = path_to(&parents, nodes.len() - 1);
            cache.compact(n_prompt, &path);
            let text: Vec<u32> =
                prompt.iter().copied().chain(path.iter().map(|i| nodes[*i])).collect();
            let mut fresh = KvCache::new(model.config());
            let span = Span::chain(&text, &mut fresh, 0);
            model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap();
            prop_assert_eq!(cache.len(), text.len());
            for layer_idx in 0..model.config().n_layers {
                prop_assert_eq!(cache.held(layer_idx), fresh.held(layer_idx));
            }
        }
    }

    /// The residual stream that enters a layer, by the layers before it one after the other.
    fn plain_hidden(model: &Transformer, tokens: &[u32], n_layers: usize) -> Vec<f32> {
        let mut cache = KvCache::new(model.config());
        let mut scratch = Scratch::default();
        let mut spans = [Span::chain(tokens, &mut cache, 0)];
        model.embed(&mut spans, &mut scratch);
        let sights: Vec<Sight<'_>> = (1..=tokens.len()).map(Sight::first).collect();
        for (layer_idx, layer) in model.layers[..n_layers].iter().enumerate() {
            model.attention((layer_idx, layer), &mut spans, &sights, &[], &mut scratch);
            model.feed_forward((layer_idx, layer), &[], &mut scratch);
        }
        scratch.x
    }

    #[test]
    fn taps_are_the_hidden_states_of_a_plain_pass() {
        let model = tiny::model(5);
        let model = model.transformer();
        let text = tokens(19, 6);
        let mut cache = KvCache::new(model.config());
        let mut scratch = Scratch::default();
        let mut heard = Vec::new();
        for tokens in text.chunks(8) {
            let mut hidden = Vec::new();
            let taps = Some(Taps { layers: &[0, 1, 2], hidden: &mut hidden });
            let span = Span { taps, ..Span::chain(tokens, &mut cache, 0) };
            model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap();
            heard.extend(hidden);
        }
        for (at, layer) in [0, 1, 2].into_iter().enumerate() {
            let of_layer: Vec<f32> =
                heard.chunks(tiny::N_EMBD).skip(at).step_by(3).flatten().copied().collect();
            assert_eq!(of_layer, plain_hidden(model, &text, layer), "layer {layer}");
        }
    }

    #[test]
    fn a_cache_goes_on_from_one_that_knows_more() {
        let model = tiny::model(3);
        let model = model.transformer();
        let text = tokens(30, 1);
        let mut scratch = Scratch::default();
        let mut prefilled = |n_tokens: usize| {
            let mut cache = KvCache::new(model.config());
            if n_tokens > 0 {
                let span = Span::chain(&text[..n_tokens], &mut cache, 0);
                model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap();
            }
            cache
        };
        for (own, other, n) in [(0, 30, 13), (5, 30, 30), (8, 16, 99), (17, 9, 9)] {
            let mut cache = prefilled(own);
            cache.copy_on(&prefilled(other), n);
            let expected = prefilled(own.max(other.min(n)));
            for layer_idx in 0..model.config().n_layers {
                assert_eq!(cache.held(layer_idx), expected.held(layer_idx), "{own} and {other}");
            }
        }
    }
}
