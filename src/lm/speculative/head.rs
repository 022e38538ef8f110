//! An EAGLE-3 head: one Llama layer over [token embedding, hidden states of the model].
//!
//! Source: "EAGLE-3", <https://arxiv.org/abs/2503.01840>; layout as in SafeAILab/EAGLE `cnets.py` and
//! sgl-project/SpecForge `llama3_eagle.py`. Linear weights are `(n_out, n_in)`, without biases; what
//! is `d2t` in files turns a place in the head's small vocabulary into one in the model's:
//! `token = place + d2t[place]`.

use std::{fs, ops::Range, path::Path, sync::Arc};

use half::f16;

use super::head_files;
use crate::{
    lm::{Error, LanguageModel, config::Config, head_config, kv_cache::KvCache},
    nn::{
        Array, Scope, Weights,
        kernels::{
            Activations, AttentionScratch, Instructions, Matrix, Pool, Sight, Store, WeightFormat,
            add, attend, rms_norm, rotate_pairs, silu_mul,
        },
    },
};

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Half precision.
    Half,
    /// Eight bits and a scale for each 32, where rows are made of such: a draft costs half as much,
    /// and what is drafted hardly changes.
    Eight,
}

/// The weights.
#[derive(Debug)]
pub struct Eagle3Head {
    config: Config,
    instructions: Instructions,
    /// Layers of the model whose inputs it reads, where it says.
    taps: Option<Vec<usize>>,
    /// Whether what the layer adds to is the normed feature.
    norm_before_residual: bool,
    fc: Matrix,
    embedding: Option<Matrix>,
    embedding_norm: Vec<f32>,
    feature_norm: Vec<f32>,
    q: Matrix,
    k: Matrix,
    v: Matrix,
    o: Matrix,
    ffn_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
    norm: Vec<f32>,
    lm_head: Matrix,
    /// The model's token of each of the head's.
    tokens: Vec<u32>,
}

/// Where the embedding of a token comes from.
pub type Embed<'a> = &'a dyn Fn(u32, &mut [f32]);

/// Rows for a pass through a head.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The token of each.
    pub tokens: &'a [u32],
    /// Where each turns to: its place in the text.
    pub positions: &'a [usize],
    /// What each sees of the cache, where they stand one after the other behind what it holds.
    pub sights: &'a [Sight<'a>],
    /// The rows whose logits are wanted.
    pub wanted: &'a Range<usize>,
}

/// Buffers that passes use again and again.
#[derive(Debug, Default)]
pub struct HeadScratch {
    pool: Arc<Pool>,
    activations: Activations,
    attention: AttentionScratch,
    joined: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    logits: Vec<f32>,
}

impl HeadScratch {
    /// Buffers for passes that share their work among the threads of `pool`.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, ..Self::default() }
    }
}

impl Eagle3Head {
    /// Reads a head from a folder with `config.json` and `model.safetensors` or
    /// `pytorch_model.bin`; `path` is the folder or a file in it.
    ///
    /// # Errors
    /// If a file is missing, damaged, or is no EAGLE-3 head that can be used here.
    pub fn load(path: &Path, precision: Precision) -> Result<Self, Error> {
        let [file, config] = head_files::files(path)?;
        let folder = config.parent().unwrap_or(path);
        let wrong = |why: String| Error::Head { why, path: folder.to_owned() };
        let config = fs::read_to_string(&config).map_err(Error::read(&config))?;
        let weights = Weights::read(&file).map_err(|error| wrong(error.to_string()))?;
        Self::new(&config, &weights, precision).map_err(wrong)
    }

    /// A head of a `config.json` and its weights.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn new(config: &str, weights: &Weights, precision: Precision) -> Result<Self, String> {
        let all = weights.scope("");
        if !all.contains("fc.weight") {
            return Err("it is no EAGLE-3 head: it has no tensor \"fc.weight\"".to_owned());
        }
        let stated = head_config::read(config)?;
        let config = stated.config;
        let layer = ["midlayer", "layers.0"].into_iter().find(|layer| all.contains(layer));
        let layer = layer.ok_or("it has no layer, neither \"midlayer\" nor \"layers.0\"")?;
        if let Some(norm) = ["input_norm", "fc_norm"].into_iter().find(|norm| all.contains(norm)) {
            return Err(format!(
                "its norm \"{norm}\" is of a kind of head that is not provided for"
            ));
        }
        let layer = all.scope(layer);
        let mut laying = Laying { store: Store::default(), precision };
        let Config { n_embd, n_ff, n_heads, n_kv_heads, head_dim, .. } = config;
        let (n_query, n_kv) = (n_heads * head_dim, n_kv_heads * head_dim);
        let vector = |scope: &Scope<'_>, name: &str, len| {
            scope.vector(name, len).map_err(|error| error.to_string())
        };
        let attention = layer.scope("self_attn");
        let mlp = layer.scope("mlp");
        let fc = all.shaped("fc.weight", &[Some(n_embd), None]).map_err(|e| e.to_string())?;
        let lm_head =
            all.shaped("lm_head.weight", &[None, Some(n_embd)]).map_err(|e| e.to_string())?;
        let embedding = if all.contains("embed_tokens.weight") {
            let shape = [None, Some(n_embd)];
            let embedding = all.shaped("embed_tokens.weight", &shape);
            Some(embedding.map_err(|error| error.to_string())?)
        } else {
            None
        };
        let n_drafted = lm_head.shape[0];
        let tokens = match weights.whole("d2t") {
            Some(offsets) if offsets.len() == n_drafted => {
                (0..).zip(offsets).map(to_token).collect()
            }
            Some(offsets) => Err(format!(
                "its table \"d2t\" has {} entries, and its vocabulary {n_drafted} tokens",
                offsets.len()
            )),
            None if stated.draft_vocab.is_none_or(|n| n == config.n_vocab) => {
                Ok((0..n_drafted as u32).collect())
            }
            None => Err("its table \"d2t\" is missing".to_owned()),
        }?;
        Ok(Self {
            instructions: Instructions::best(),
            taps: stated.taps,
            norm_before_residual: stated.norm_before_residual,
            fc: laying.matrix(fc, None)?,
            embedding: embedding.map(|embedding| laying.matrix(embedding, None)).transpose()?,
            embedding_norm: vector(&layer, "input_layernorm.weight", n_embd)?,
            feature_norm: vector(&layer, "hidden_norm.weight", n_embd)?,
            q: laying
                .matrix(fixed(&attention, "q_proj.weight", n_query, 2 * n_embd)?, Some(head_dim))?,
            k: laying
                .matrix(fixed(&attention, "k_proj.weight", n_kv, 2 * n_embd)?, Some(head_dim))?,
            v: laying.matrix(fixed(&attention, "v_proj.weight", n_kv, 2 * n_embd)?, None)?,
            o: laying.matrix(fixed(&attention, "o_proj.weight", n_embd, n_query)?, None)?,
            ffn_norm: vector(&layer, "post_attention_layernorm.weight", n_embd)?,
            gate: laying.matrix(fixed(&mlp, "gate_proj.weight", n_ff, n_embd)?, None)?,
            up: laying.matrix(fixed(&mlp, "up_proj.weight", n_ff, n_embd)?, None)?,
            down: laying.matrix(fixed(&mlp, "down_proj.weight", n_embd, n_ff)?, None)?,
            norm: vector(&all, "norm.weight", n_embd)?,
            lm_head: laying.matrix(lm_head, None)?,
            tokens,
            config,
        })
    }

    /// Checks that it was made for a model of these sizes; returns the layers that it taps.
    ///
    /// # Errors
    /// What does not fit, with the shapes.
    pub fn fit(&self, model: &Config) -> Result<Vec<usize>, String> {
        let n = model.n_layers;
        let taps = self.taps.clone().unwrap_or_else(|| vec![2, n / 2, n.saturating_sub(3)]);
        let (n_in, wanted) = (self.fc.n_in(), taps.len() * model.n_embd);
        if n_in != wanted {
            return Err(format!(
                "it is another model's head: its tensor \"fc.weight\" is ({}, {n_in}), and {} \
                 hidden states of this model are {wanted} numbers",
                self.fc.n_out(),
                taps.len()
            ));
        }
        if let Some(tap) = taps.iter().find(|tap| **tap > n) {
            return Err(format!("it reads what enters layer {tap}, and the model has {n} layers"));
        }
        if let Some(token) = self.tokens.iter().find(|token| **token as usize >= model.n_vocab) {
            return Err(format!(
                "it is another model's head: it drafts token {token}, and this model knows 0 to {}",
                model.n_vocab - 1
            ));
        }
        let embedded = self.embedding.as_ref().map_or(model.n_vocab, Matrix::n_out);
        if self.embedding.is_none() && model.n_embd != self.config.n_embd
            || embedded < model.n_vocab
        {
            return Err(format!(
                "it is another model's head: it embeds {embedded} tokens in {} numbers, and the \
                 model {} in {}",
                self.config.n_embd, model.n_vocab, model.n_embd
            ));
        }
        Ok(taps)
    }

    /// Whether it was made for a model like this.
    pub fn goes_with(&self, model: &LanguageModel) -> bool {
        self.fit(model.network().config()).is_ok()
    }

    /// Whether it has an embedding of its own.
    pub fn has_embedding(&self) -> bool {
        self.embedding.is_some()
    }

    /// Width of its features.
    pub fn n_embd(&self) -> usize {
        self.config.n_embd
    }

    /// The model's token of each of its own.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Bytes of its weights in memory.
    pub fn n_bytes(&self) -> u64 {
        let Self { fc, q, k, v, o, gate, up, down, lm_head, embedding, .. } = self;
        let matrices = [fc, q, k, v, o, gate, up, down, lm_head].into_iter().chain(embedding);
        matrices.map(Matrix::n_bytes).sum()
    }

    /// An empty cache for one sequence.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(&self.config)
    }

    /// Makes features of the model's hidden states.
    ///
    /// * `hidden`: `(n_rows, n_taps, n_embd)` of the model.
    /// * returns `(n_rows, n_embd)` of the head, behind what is in `features`.
    pub fn fuse(&self, hidden: &[f32], scratch: &mut HeadScratch, features: &mut Vec<f32>) {
        let HeadScratch { pool, activations, q: fused, .. } = scratch;
        activations.assign(self.instructions, hidden, self.fc.n_in());
        self.multiply(pool, activations, [(&self.fc, &mut *fused)]);
        features.extend_from_slice(fused);
    }

    /// Passes rows through. The cache comes to hold them.
    ///
    /// * `features`: `(n_rows, n_embd)`; becomes what stands before the last norm, the features of
    ///   the next draft step.
    /// * returns the wanted logits over the head's own vocabulary.
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn forward<'s>(
        &self,
        rows: Rows<'_>,
        features: &mut [f32],
        embed: Embed<'_>,
        cache: &mut KvCache,
        scratch: &'s mut HeadScratch,
    ) -> &'s [f32] {
        let n_embd = self.config.n_embd;
        assert_eq!(features.len(), rows.tokens.len() * n_embd, "a feature for each row");
        let HeadScratch { pool, activations, attention, joined, normed, q, k, v, gate, up, logits } =
            scratch;
        let eps = self.config.rms_eps;
        joined.resize(2 * features.len(), 0.0);
        normed.resize(n_embd, 0.0);
        let of_rows = joined.chunks_exact_mut(2 * n_embd).zip(features.chunks_exact_mut(n_embd));
        for ((joined, feature), token) in of_rows.zip(rows.tokens) {
            let (embedded, normed_feature) = joined.split_at_mut(n_embd);
            match &self.embedding {
                Some(embedding) => embedding.copy_row(*token as usize, normed),
                None => embed(*token, normed),
            }
            rms_norm(normed, &self.embedding_norm, eps, embedded);
            rms_norm(feature, &self.feature_norm, eps, normed_feature);
            if self.norm_before_residual {
                feature.copy_from_slice(normed_feature);
            }
        }
        activations.assign(self.instructions, joined, 2 * n_embd);
        self.multiply(
            pool,
            activations,
            [(&self.q, &mut *q), (&self.k, &mut *k), (&self.v, &mut *v)],
        );
        self.rotate(rows.positions, q, k);
        let n_kv = self.k.n_out();
        cache.reserve(rows.tokens.len());
        let keys_and_values = k.chunks_exact(n_kv).zip(v.chunks_exact(n_kv));
        for (position, (key, value)) in (cache.len()..).zip(keys_and_values) {
            cache.write(0, position, key, value);
        }
        normed.resize(q.len(), 0.0);
        attend(pool, self.instructions, q, cache.layer(0), rows.sights, attention, normed);
        cache.commit(rows.tokens.len());
        activations.assign(self.instructions, normed, self.q.n_out());
        self.multiply(pool, activations, [(&self.o, &mut *q)]);
        add(features, q);

        normed.resize(features.len(), 0.0);
        rms_norm(features, &self.ffn_norm, eps, normed);
        activations.assign(self.instructions, normed, n_embd);
        self.multiply(pool, activations, [(&self.gate, &mut *gate), (&self.up, &mut *up)]);
        silu_mul(self.instructions, gate, up);
        activations.assign(self.instructions, gate, self.gate.n_out());
        self.multiply(pool, activations, [(&self.down, &mut *normed)]);
        add(features, normed);

        let wanted = &features[rows.wanted.start * n_embd..rows.wanted.end * n_embd];
        if wanted.is_empty() {
            return &[];
        }
        normed.resize(wanted.len(), 0.0);
        rms_norm(wanted, &self.norm, eps, normed);
        activations.assign(self.instructions, normed, n_embd);
        self.multiply(pool, activations, [(&self.lm_head, &mut *logits)]);
        logits
    }

    fn rotate(&self, positions: &[usize], q: &mut [f32], k: &mut [f32]) {
        let Config { head_dim, rope_frequencies, .. } = &self.config;
        let mut angles = vec![(0.0, 0.0); rope_frequencies.len()];
        let rows = q.chunks_exact_mut(self.q.n_out()).zip(k.chunks_exact_mut(self.k.n_out()));
        for ((q, k), position) in rows.zip(positions) {
            for (angle, frequency) in angles.iter_mut().zip(rope_frequencies) {
                let (sin, cos) = (*position as f64 * frequency).sin_cos();
                *angle = (cos as f32, sin as f32);
            }
            for head in q.chunks_exact_mut(*head_dim).chain(k.chunks_exact_mut(*head_dim)) {
                rotate_pairs(head, &angles);
            }
        }
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

/// The tensor of that name and shape.
fn fixed<'a>(
    scope: &Scope<'a>,
    name: &str,
    n_out: usize,
    n_in: usize,
) -> Result<&'a Array, String> {
    scope.shaped(name, &[Some(n_out), Some(n_in)]).map_err(|error| error.to_string())
}

fn to_token((place, offset): (i64, &i64)) -> Result<u32, String> {
    let token = place.checked_add(*offset).and_then(|token| u32::try_from(token).ok());
    token.ok_or_else(|| format!("its table \"d2t\" leads from {place} to no token"))
}

/// Lays weights down.
struct Laying {
    store: Store,
    precision: Precision,
}

impl Laying {
    /// A matrix; of queries and keys, with pairs that turn together side by side in each head.
    fn matrix(&mut self, weight: &Array, head_dim: Option<usize>) -> Result<Matrix, String> {
        let (n_out, n_in) = (weight.shape[0], weight.shape[1]);
        let values = match head_dim {
            Some(head_dim) => interleaved(&weight.values, n_in, head_dim),
            None => weight.values.clone(),
        };
        let format = match self.precision {
            Precision::Eight if n_in.is_multiple_of(32) => WeightFormat::Q8_0,
            _ => WeightFormat::F16,
        };
        let bytes: Vec<u8> = if format == WeightFormat::Q8_0 {
            values.as_chunks::<32>().0.iter().flat_map(quantized).collect()
        } else {
            values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
        };
        Matrix::from_bytes(&mut self.store, format, &bytes, n_out, n_in)
            .map_err(|why| format!("there is no memory left for it ({why}); close something"))
    }
}

/// Rows of each head reordered from halves to pairs.
fn interleaved(values: &[f32], n_in: usize, head_dim: usize) -> Vec<f32> {
    let mut pairs = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * n_in) {
        let (first, second) = head.split_at(head.len() / 2);
        for (first, second) in first.chunks_exact(n_in).zip(second.chunks_exact(n_in)) {
            pairs.extend_from_slice(first);
            pairs.extend_from_slice(second);
        }
    }
    pairs
}

/// A block as `Q8_0` stores it: the scale in half precision, then the quants.
fn quantized(values: &[f32; 32]) -> impl Iterator<Item = u8> {
    let most = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = f16::from_f32(most / 127.0);
    let inverse = if scale == f16::ZERO { 0.0 } else { 1.0 / scale.to_f32() };
    let quant = move |value: &f32| (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8;
    scale.to_le_bytes().into_iter().chain(values.map(|value| quant(&value)))
}
