//! One pass over rows of several sequences at once, by candle's operations.
//!
//! Sources and order of rows as in [the one of the CPU](crate::lm::transformer). Linear layers take
//! all rows together, attention those of one span after the other; the heads that share keys and
//! values stand together in one batched product. Operations are queued, so the pass waits for the
//! device only at its end.

use candle_core::{DType, Tensor};
use candle_nn::{
    ops::{rms_norm, softmax_last_dim, swiglu},
    rotary_emb::rope_i,
};

use super::{
    kv_cache::{KvCache, Place},
    sight::{Tile, tiles},
};
use crate::{
    job::Cancelled,
    lm::{
        config::Config,
        network::PassError,
        transformer::{Span, Taps},
    },
    nn::{DeviceFault, TensorDevice},
};

type Result<T> = std::result::Result<T, DeviceFault>;

/// The weights, on a device.
#[derive(Debug)]
pub struct Transformer {
    pub(super) config: Config,
    pub(super) device: TensorDevice,
    /// `(n_vocab, n_embd)`.
    pub(super) embedding: Tensor,
    pub(super) layers: Vec<Layer>,
    /// `(n_embd)`.
    pub(super) norm: Tensor,
    /// `(n_vocab, n_embd)`; the embedding itself where that serves as the head.
    pub(super) head: Tensor,
    pub(super) rotary: Rotary,
}

/// A block's weights; rows of outputs, columns of inputs.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attn_norm: Tensor,
    /// Queries, scaled for the softmax, then keys, then values.
    pub(super) qkv: Tensor,
    pub(super) o: Tensor,
    pub(super) ffn_norm: Tensor,
    /// The gate, then what it lets through.
    pub(super) gate_up: Tensor,
    pub(super) down: Tensor,
}

/// `(context_length, head_dim / 2)` each.
#[derive(Debug)]
pub(super) struct Rotary {
    pub(super) cos: Tensor,
    pub(super) sin: Tensor,
}

/// What the layers of a pass have in common.
pub(super) struct Pass {
    /// `(n_rows, head_dim / 2)` each.
    pub(super) cos: Tensor,
    pub(super) sin: Tensor,
    /// Of each span, which of its rows are scored together.
    pub(super) tiles: Vec<Vec<Tile>>,
    /// Where its keys and values go.
    pub(super) place: Place,
}

impl Transformer {
    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it runs on.
    pub fn device(&self) -> &TensorDevice {
        &self.device
    }

    /// Bytes of all weights on the device.
    pub fn n_bytes(&self) -> u64 {
        let of_layer = |layer: &Layer| {
            let Layer { attn_norm, qkv, o, ffn_norm, gate_up, down } = layer;
            let all = [attn_norm, qkv, o, ffn_norm, gate_up, down];
            all.into_iter().map(Tensor::elem_count).sum::<usize>()
        };
        let head = if self.config.is_tied { 0 } else { self.head.elem_count() };
        let outside = self.embedding.elem_count() + self.norm.elem_count() + head;
        let n_values = outside + self.layers.iter().map(of_layer).sum::<usize>();
        (n_values * self.device.dtype.size_in_bytes()) as u64
    }

    /// Runs once through all operations, whose programs a device loads when they are first asked
    /// for: so that no reply waits for that.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn warm_up(&self) -> std::result::Result<(), PassError> {
        let mut cache = KvCache::new(&self.config, &self.device);
        for tokens in [&[0, 0][..], &[0]] {
            self.forward(&mut [Span::chain(tokens, &mut cache, 1)], &mut || Ok(()))?;
        }
        Ok(())
    }

    /// Passes the spans' tokens through and returns the wanted logits, `(n_wanted, n_vocab)`, in
    /// the order of the spans.
    ///
    /// `check` is asked before every layer; if it says so the pass ends there, and no cache has
    /// changed.
    ///
    /// # Errors
    /// If `check` said so, or the device failed, now or at what was done to a cache before.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or a row of a tree follows none before it.
    pub fn forward(
        &self,
        spans: &mut [Span<'_, KvCache>],
        check: &mut dyn FnMut() -> std::result::Result<(), Cancelled>,
    ) -> std::result::Result<Vec<f32>, PassError> {
        if let [only] = spans {
            check()?;
            if let Some(logits) = self.replayed(only)? {
                return Ok(logits);
            }
        }
        let (x, pass) = self.begin(spans)?;
        let x = self.through_layers(x, spans, &pass, check)?;
        let logits = self.logits(spans, &x)?;
        for span in spans {
            span.cache.commit(span.tokens.len());
        }
        Ok(logits)
    }

    /// The residual stream as it leaves the last layer.
    pub(super) fn through_layers(
        &self,
        x: Tensor,
        spans: &mut [Span<'_, KvCache>],
        pass: &Pass,
        check: &mut dyn FnMut() -> std::result::Result<(), Cancelled>,
    ) -> std::result::Result<Tensor, PassError> {
        let mut x = x;
        for (layer_idx, layer) in self.layers.iter().enumerate() {
            check()?;
            self.tap(layer_idx, spans, &x)?;
            x = self.attention(layer_idx, layer, &x, spans, pass)?;
            x = self.feed_forward(layer, &x)?;
        }
        self.tap(self.layers.len(), spans, &x)?;
        Ok(x)
    }

    /// The embedded rows, and what every layer wants to know of them.
    fn begin(&self, spans: &mut [Span<'_, KvCache>]) -> Result<(Tensor, Pass)> {
        let Self { config, device, .. } = self;
        let (mut tokens, mut positions, mut depths) = (Vec::new(), Vec::new(), Vec::new());
        let mut all_tiles = Vec::with_capacity(spans.len());
        for span in spans {
            let (base, n_rows) = (span.cache.len(), span.tokens.len());
            span.cache.reserve(n_rows);
            span.cache.check()?;
            let known = |token: &u32| (*token as usize) < config.n_vocab;
            assert!(span.tokens.iter().all(known), "the vocabulary ends at {}", config.n_vocab);
            tokens.extend_from_slice(span.tokens);
            span.order.find_depths(n_rows, &mut depths);
            positions.extend(depths.iter().map(|depth| (base + depth) as u32));
            all_tiles.push(tiles(span.order, base, n_rows, device)?);
        }
        let n_rows = tokens.len();
        let tokens = Tensor::from_vec(tokens, n_rows, &device.candle)?;
        let positions = Tensor::from_vec(positions, n_rows, &device.candle)?;
        let pass = Pass {
            cos: self.rotary.cos.index_select(&positions, 0)?,
            sin: self.rotary.sin.index_select(&positions, 0)?,
            tiles: all_tiles,
            place: Place::Behind,
        };
        Ok((self.embedding.index_select(&tokens, 0)?, pass))
    }

    /// `x` with what attention adds.
    fn attention(
        &self,
        layer_idx: usize,
        layer: &Layer,
        x: &Tensor,
        spans: &mut [Span<'_, KvCache>],
        pass: &Pass,
    ) -> Result<Tensor> {
        let &Config { n_heads, n_kv_heads, head_dim, .. } = &self.config;
        let n_rows = x.dim(0)?;
        let normed = rms_norm(x, &layer.attn_norm, self.config.rms_eps)?;
        let heads = multiply(&normed, &layer.qkv)?
            .reshape((n_rows, n_heads + 2 * n_kv_heads, head_dim))?
            .transpose(0, 1)?;
        let turning = heads.narrow(0, 0, n_heads + n_kv_heads)?.contiguous()?.unsqueeze(0)?;
        let turned = rope_i(&turning, &pass.cos, &pass.sin)?.squeeze(0)?;
        let queries = turned.narrow(0, 0, n_heads)?;
        let keys = turned.narrow(0, n_heads, n_kv_heads)?;
        let values = heads.narrow(0, n_heads + n_kv_heads, n_kv_heads)?;
        let mut attended = Vec::new();
        let mut first_row = 0;
        for (span, tiles) in spans.iter_mut().zip(&pass.tiles) {
            let own = |heads: &Tensor| heads.narrow(1, first_row, span.tokens.len());
            let (keys, values) = (own(&keys)?.contiguous()?, own(&values)?.contiguous()?);
            let queries = own(&queries)?;
            let (keys, values) = span.cache.write(layer_idx, &keys, &values, &pass.place)?;
            for tile in tiles {
                attended.push(self.attend(&queries, &keys, &values, tile)?);
            }
            first_row += span.tokens.len();
        }
        let attended = match &attended[..] {
            [only] => only.clone(),
            several => Tensor::cat(several, 0)?,
        };
        Ok((x + multiply(&attended, &layer.o)?)?)
    }

    /// What some rows of a span make of its keys and values.
    ///
    /// * `queries`: `(n_heads, n_rows, head_dim)`, those of the whole span.
    /// * `keys`, `values`: `(n_kv_heads, n_positions, head_dim)`.
    /// * returns `(n_rows, n_heads · head_dim)`, those of the tile.
    fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        tile: &Tile,
    ) -> Result<Tensor> {
        let &Config { n_heads, n_kv_heads, head_dim, .. } = &self.config;
        let (n_rows, n_seen) = (tile.rows.len(), tile.n_seen);
        let grouped = (n_kv_heads, n_heads / n_kv_heads * n_rows, head_dim);
        let queries = queries.narrow(1, tile.rows.start, n_rows)?.contiguous()?.reshape(grouped)?;
        let mut scores = queries.matmul(&keys.narrow(1, 0, n_seen)?.t()?)?;
        if let Some(mask) = &tile.mask {
            scores = scores.reshape((n_heads, n_rows, n_seen))?;
            let n_common = n_seen - mask.dim(1)?;
            if n_common == 0 {
                scores = scores.broadcast_add(mask)?;
            } else {
                let last = scores.narrow(2, n_common, n_seen - n_common)?.broadcast_add(mask)?;
                scores.slice_set(&last, 2, n_common)?;
            }
        }
        let shares = softmax_last_dim(&scores)?.reshape((grouped.0, grouped.1, n_seen))?;
        let mixed = shares.matmul(&values.narrow(1, 0, n_seen)?)?;
        let by_row = mixed.reshape((n_heads, n_rows, head_dim))?.transpose(0, 1)?.contiguous()?;
        Ok(by_row.reshape((n_rows, n_heads * head_dim))?)
    }

    /// `x` with what the feed-forward layer adds.
    fn feed_forward(&self, layer: &Layer, x: &Tensor) -> Result<Tensor> {
        let normed = rms_norm(x, &layer.ffn_norm, self.config.rms_eps)?;
        let gated = swiglu(&multiply(&normed, &layer.gate_up)?)?;
        Ok((x + multiply(&gated, &layer.down)?)?)
    }

    /// The wanted logits, once the device has come to them.
    fn logits(&self, spans: &[Span<'_, KvCache>], x: &Tensor) -> Result<Vec<f32>> {
        let mut first_row = 0;
        let mut wanted = Vec::new();
        for span in spans {
            wanted.extend(span.wanted.clone().map(|row| (first_row + row) as u32));
            first_row += span.tokens.len();
        }
        let device = &self.device.candle;
        if wanted.is_empty() {
            device.synchronize()?;
            return Ok(Vec::new());
        }
        let wanted = Tensor::from_slice(&wanted, wanted.len(), device)?;
        floats(&self.head(&x.index_select(&wanted, 0)?)?)
    }

    /// The logits after rows of the residual stream, `(n_rows, n_vocab)`, in single precision.
    pub(super) fn head(&self, x: &Tensor) -> Result<Tensor> {
        let normed = rms_norm(x, &self.norm, self.config.rms_eps)?;
        Ok(multiply(&normed, &self.head)?.to_dtype(DType::F32)?)
    }

    /// Hands out the residual stream, as it enters a layer, to whoever wants it.
    fn tap(&self, layer_idx: usize, spans: &mut [Span<'_, KvCache>], x: &Tensor) -> Result<()> {
        let n_embd = self.config.n_embd;
        let mut first_row = 0;
        for span in spans {
            let n_rows = span.tokens.len();
            if let Some(Taps { layers, hidden }) = &mut span.taps {
                hidden.resize(n_rows * layers.len() * n_embd, 0.0);
                if layers.contains(&layer_idx) {
                    let rows = floats(&x.narrow(0, first_row, n_rows)?)?;
                    let of_row = hidden.chunks_exact_mut(layers.len() * n_embd);
                    for (row, hidden) in rows.chunks_exact(n_embd).zip(of_row) {
                        for (layer, hidden) in layers.iter().zip(hidden.chunks_exact_mut(n_embd)) {
                            if *layer == layer_idx {
                                hidden.copy_from_slice(row);
                            }
                        }
                    }
                }
            }
            first_row += n_rows;
        }
        Ok(())
    }
}

/// `rows · weightsᵀ`.
fn multiply(rows: &Tensor, weights: &Tensor) -> Result<Tensor> {
    Ok(rows.matmul(&weights.t()?)?)
}

/// A tensor's numbers, on this side.
fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}
