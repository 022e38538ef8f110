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

    /// Bytes of a cache that has grown to some positions.
    pub fn bytes_for(config: &Config, n_positions: usize) -> u64 {
        let n_values = config.n_kv_heads * config.head_dim * 2 * config.n_layers;
        (n_positions.next_multiple_of(GROWTH) * n_values * size_of::<f16>()) as u64
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

    /// Takes over from `other`, which holds the same tokens so far, the positions from here up to
    /// `n_positions`.
    pub fn copy_on(&mut self, other: &Self, n_positions: usize) {
        let n_positions = other.n_positions.min(n_positions);
        if n_positions <= self.n_positions {
            return;
        }
        self.reserve(n_positions - self.n_positions);
        // A block begun here begins there with the same keys: same tokens, same bits.
        let from = self.n_positions / POSITIONS_PER_BLOCK * POSITIONS_PER_BLOCK;
        let to = n_positions.next_multiple_of(POSITIONS_PER_BLOCK);
        let range = from * self.row_len()..to * self.row_len();
        for (layer, other) in self.layers.iter_mut().zip(&other.layers) {
            layer.keys[range.clone()].copy_from_slice(&other.keys[range.clone()]);
            layer.values[range.clone()].copy_from_slice(&other.values[range.clone()]);
        }
        self.n_positions = n_positions;
    }

    /// Keeps, of the positions from `base` on, those at `base + rows[i]`, which become `base + i`:
    /// what a verified tree leaves. `rows` ascends.
    ///
    /// # Panics
    /// If a row is not held.
    pub fn compact(&mut self, base: usize, rows: &[usize]) {
        for layer_idx in 0..self.layers.len() {
            for (i, row) in rows.iter().enumerate().filter(|(i, row)| i != *row) {
                assert!(base + row < self.n_positions, "only held positions are kept");
                self.copy_position(layer_idx, base + row, base + i);
            }
        }
        self.truncate(base + rows.len());
    }

    /// Copies keys and values of one position of one layer over those of another.
    pub fn copy_position(&mut self, layer_idx: usize, from: usize, to: usize) {
        let row_len = self.row_len();
        let start = |position: usize| {
            let (block, lane) = (position / POSITIONS_PER_BLOCK, position % POSITIONS_PER_BLOCK);
            block * row_len * POSITIONS_PER_BLOCK + lane
        };
        let layer = &mut self.layers[layer_idx];
        for dim in 0..row_len {
            let at = dim * POSITIONS_PER_BLOCK;
            layer.keys[start(to) + at] = layer.keys[start(from) + at];
        }
        layer.values.copy_within(from * row_len..(from + 1) * row_len, to * row_len);
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

#[cfg(test)]
impl KvCache {
    /// Keys and values of the held positions of a layer, `(n_positions, 2, row_len)`.
    pub fn held(&self, layer_idx: usize) -> Vec<f16> {
        let (row_len, layer) = (self.row_len(), &self.layers[layer_idx]);
        let of_position = |position: usize| {
            let (block, lane) = (position / POSITIONS_PER_BLOCK, position % POSITIONS_PER_BLOCK);
            let key = (0..row_len)
                .map(move |dim| layer.keys[(block * row_len + dim) * POSITIONS_PER_BLOCK + lane]);
            key.chain(layer.values[position * row_len..][..row_len].iter().copied())
        };
        (0..self.n_positions).flat_map(of_position).collect()
    }
}
