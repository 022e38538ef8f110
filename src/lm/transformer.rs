//! The Llama transformer: one pass over rows of several sequences at once.
//!
//! Pre-norm blocks of grouped-query attention with interleaved rotary embedding and `SwiGLU`, root
//! mean square norms, a tied or own output head. Sources: <https://arxiv.org/abs/2302.13971>,
//! <https://arxiv.org/abs/2407.21783>; the order of query and key rows is llama.cpp's, where pairs
//! that turn together are neighbours.
//!
//! Every row is computed as if it were alone (see [`kernels`](crate::nn::kernels)), so logits do not
//! depend on how a prompt is cut into chunks, on drafted neighbours or on other sequences.

use std::sync::Arc;

use super::{
    Error,
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

/// The next tokens of one sequence; they stand behind what its cache holds.
#[derive(Debug)]
pub struct Span<'a> {
    /// Tokens to pass through.
    pub tokens: &'a [u32],
    /// The sequence's keys and values, which the pass adds to.
    pub cache: &'a mut KvCache,
    /// How many of the last tokens' logits are wanted.
    pub n_logits: usize,
}

/// Buffers that passes use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Whose threads share the work.
    pool: Arc<Pool>,
    activations: Activations,
    attention: AttentionScratch,
    x: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    angles: Vec<(f32, f32)>,
    sights: Vec<Sight<'static>>,
    logits: Vec<f32>,
}

impl Scratch {
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
    /// If a token is not in the vocabulary.
    pub fn forward<'s>(
        &self,
        spans: &mut [Span<'_>],
        scratch: &'s mut Scratch,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
    ) -> Result<&'s [f32], Cancelled> {
        self.embed(spans, scratch);
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            check()?;
            self.attention(layer_idx, layer, spans, scratch);
            self.feed_forward(layer, scratch);
        }
        for span in &mut *spans {
            span.cache.commit(span.tokens.len());
        }
        Ok(self.logits(spans, scratch))
    }

    fn embed(&self, spans: &mut [Span<'_>], scratch: &mut Scratch) {
        let Config { n_embd, rope_frequencies, .. } = &self.config;
        let n_rows: usize = spans.iter().map(|span| span.tokens.len()).sum();
        scratch.x.resize(n_rows * n_embd, 0.0);
        scratch.angles.clear();
        scratch.sights.clear();
        let mut rows = scratch.x.chunks_exact_mut(*n_embd);
        for span in spans {
            span.cache.reserve(span.tokens.len());
            for ((i, token), row) in span.tokens.iter().enumerate().zip(&mut rows) {
                self.embedding.copy_row(*token as usize, row);
                let position = span.cache.len() + i;
                scratch.sights.push(Sight::first(position + 1));
                let position = position as f64;
                scratch.angles.extend(rope_frequencies.iter().map(|frequency| {
                    let (sin, cos) = (position * frequency).sin_cos();
                    (cos as f32, sin as f32)
                }));
            }
        }
    }

    fn attention(
        &self,
        layer_idx: usize,
        layer: &Layer,
        spans: &mut [Span<'_>],
        scratch: &mut Scratch,
    ) {
        let Config { head_dim, rope_frequencies, .. } = &self.config;
        let Scratch { pool, activations, attention, x, normed, q, k, v, angles, sights, .. } =
            scratch;
        self.norm_rows(&layer.attn_norm, x, normed, activations);
        self.multiply(
            pool,
            activations,
            [(&layer.q, &mut *q), (&layer.k, &mut *k), (&layer.v, &mut *v)],
        );
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
            let first = span.cache.len();
            for (position, (key, value)) in
                (first..first + span.tokens.len()).zip(&mut keys_and_values)
            {
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
        add(x, q);
    }

    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch) {
        let Scratch { pool, activations, x, normed, gate, up, .. } = scratch;
        self.norm_rows(&layer.ffn_norm, x, normed, activations);
        self.multiply(pool, activations, [(&layer.gate, &mut *gate), (&layer.up, &mut *up)]);
        silu_mul(self.instructions, gate, up);
        activations.assign(self.instructions, gate, layer.gate.n_out());
        self.multiply(pool, activations, [(&layer.down, &mut *normed)]);
        add(x, normed);
    }

    fn logits<'s>(&self, spans: &[Span<'_>], scratch: &'s mut Scratch) -> &'s [f32] {
        let n_embd = self.config.n_embd;
        let Scratch { pool, activations, x, normed, q: wanted, logits, .. } = scratch;
        wanted.clear();
        let mut rows = x.chunks_exact(n_embd);
        for span in spans {
            for (i, row) in (&mut rows).take(span.tokens.len()).enumerate() {
                if i + span.n_logits >= span.tokens.len() {
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
            let span = Span { tokens, cache: &mut cache, n_logits: tokens.len() };
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
        let mut spans = [
            Span { tokens: &a, cache: &mut cache_a, n_logits: 13 },
            Span { tokens: &b, cache: &mut cache_b, n_logits: 2 },
        ];
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
        let span = Span { tokens: &tokens, cache: &mut cache, n_logits: 90 };
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
            let span = Span { tokens, cache, n_logits: 1 };
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
        let span = Span { tokens: &[1, 2], cache: &mut cache, n_logits: 1 };
        let mut scratch = Scratch::default();
        let outcome = model.forward(&mut [span], &mut scratch, &mut || Err(Cancelled));
        assert_eq!(outcome, Err(Cancelled));
        assert_eq!(cache.len(), 0);
    }
}
