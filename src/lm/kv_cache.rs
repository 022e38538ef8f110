//! Keys and values of one sequence, in half precision, growing as the sequence grows.
//!
//! Keys of eight positions lie interleaved so that attention scores them with one register (see
//! [`KeyValues`]). Rejected drafts are forgotten by [`KvCache::truncate`]; what they left behind is
//! overwritten before it can be seen.

use half::f16;

use super::config::Config;
use crate::nn::kernels::{KeyValues, POSITIONS_PER_BLOCK};

/// Positions by which the cache grows: a multiple of the block, and some 6 MB for `SmolLM2`.
const GROWTH: usize = 256;

/// The cache of one sequence.
#[derive(Debug)]
pub struct KvCache {
    n_kv_heads: usize,
    head_dim: usize,
    n_positions: usize,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, Default)]
struct Layer {
    keys: Vec<f16>,
    values: Vec<f16>,
}

impl KvCache {
    /// An empty cache for a model of these sizes.
    pub fn new(config: &Config) -> Self {
        Self {
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            n_positions: 0,
            layers: vec![Layer::default(); config.n_layers],
        }
    }

    /// Positions that it holds.
    pub fn len(&self) -> usize {
        self.n_positions
    }

    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let n_values = |layer: &Layer| layer.keys.capacity() + layer.values.capacity();
        (self.layers.iter().map(n_values).sum::<usize>() * size_of::<f16>()) as u64
    }

    /// Forgets all but the first positions.
    pub fn truncate(&mut self, n_positions: usize) {
        self.n_positions = self.n_positions.min(n_positions);
    }

    /// A cache of its own with the first positions of this one.
    pub fn copy_prefix(&self, n_positions: usize) -> Self {
        let n_positions = self.n_positions.min(n_positions);
        let n_values = n_positions.next_multiple_of(POSITIONS_PER_BLOCK) * self.row_len();
        let copy = |layer: &Layer| Layer {
            keys: layer.keys[..n_values].to_vec(),
            values: layer.values[..n_values].to_vec(),
        };
        Self {
            n_kv_heads: self.n_kv_heads,
            head_dim: self.head_dim,
            n_positions,
            layers: self.layers.iter().map(copy).collect(),
        }
    }

    /// Makes room for positions beyond the held ones, without holding them yet.
    pub fn reserve(&mut self, n_more: usize) {
        let n_values = (self.n_positions + n_more).next_multiple_of(GROWTH) * self.row_len();
        for layer in &mut self.layers {
            for values in [&mut layer.keys, &mut layer.values] {
                if values.len() < n_values {
                    values.reserve_exact(n_values - values.len());
                    values.resize(n_values, f16::ZERO);
                }
            }
        }
    }

    /// Writes one position of one layer, which [`KvCache::reserve`] has made room for.
    ///
    /// * `key`, `value`: `(n_kv_heads, head_dim)`.
    pub fn write(&mut self, layer_idx: usize, position: usize, key: &[f32], value: &[f32]) {
        let row_len = self.row_len();
        let layer = &mut self.layers[layer_idx];
        let (block, lane) = (position / POSITIONS_PER_BLOCK, position % POSITIONS_PER_BLOCK);
        let start = block * row_len * POSITIONS_PER_BLOCK + lane;
        let keys = layer.keys[start..].iter_mut().step_by(POSITIONS_PER_BLOCK);
        for (stored, key) in keys.zip(key) {
            *stored = f16::from_f32(*key);
        }
        for (stored, value) in layer.values[position * row_len..][..row_len].iter_mut().zip(value) {
            *stored = f16::from_f32(*value);
        }
    }

    /// Counts the positions that were written to every layer as held.
    pub fn commit(&mut self, n_more: usize) {
        self.n_positions += n_more;
    }

    /// A layer, for attention.
    pub fn layer(&self, layer_idx: usize) -> KeyValues<'_> {
        let Layer { keys, values } = &self.layers[layer_idx];
        KeyValues { keys, values, n_kv_heads: self.n_kv_heads, head_dim: self.head_dim }
    }

    fn row_len(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }
}
