//! Keys and values of one sequence on a device, in slabs that are written in place.
//!
//! Operations on a device are queued, so what goes wrong in one may be heard of only later. A cache
//! that could not be copied or moved remembers why, and the next pass over it says so.

use candle_core::{Result, Tensor};

use super::replay::Replays;
use crate::{
    lm::config::Config,
    nn::{DeviceFault, TensorDevice},
};

/// Positions by which the cache grows.
const GROWTH: usize = 256;

/// The cache of one sequence.
#[derive(Debug)]
pub struct KvCache {
    device: TensorDevice,
    n_layers: usize,
    n_kv_heads: usize,
    head_dim: usize,
    n_positions: usize,
    /// Positions that every layer has room for.
    capacity: usize,
    /// None before the first positions are reserved.
    layers: Vec<Layer>,
    fault: Option<DeviceFault>,
    /// What was recorded over the slabs.
    pub(super) replays: Replays,
}

/// Where in the slabs rows are written, and how much of them there is to see then.
#[derive(Debug)]
pub enum Place {
    /// Behind the held positions; all up to there is seen.
    Behind,
    /// At positions that stand on the device, `(n_kv_heads, n_rows, head_dim)`; the slabs are seen
    /// whole.
    At(Tensor),
}

/// `(n_kv_heads, capacity, head_dim)` each.
#[derive(Debug)]
struct Layer {
    keys: Tensor,
    values: Tensor,
}

impl KvCache {
    /// An empty cache for a model of these sizes.
    pub fn new(config: &Config, device: &TensorDevice) -> Self {
        Self {
            device: device.clone(),
            n_layers: config.n_layers,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            n_positions: 0,
            capacity: 0,
            layers: Vec::new(),
            fault: None,
            replays: Replays::default(),
        }
    }

    /// Bytes of a cache that has grown to some positions.
    pub fn bytes_for(config: &Config, device: &TensorDevice, n_positions: usize) -> u64 {
        let n_values = config.n_kv_heads * config.head_dim * 2 * config.n_layers;
        (n_positions.next_multiple_of(GROWTH) * n_values * device.dtype.size_in_bytes()) as u64
    }

    /// Positions that it holds.
    pub fn len(&self) -> usize {
        self.n_positions
    }

    /// Positions that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let n_values = self.n_kv_heads * self.head_dim * 2 * self.n_layers;
        (self.capacity * n_values * self.device.dtype.size_in_bytes()) as u64
    }

    /// What went wrong with it since it was made.
    ///
    /// # Errors
    /// If something did.
    pub fn check(&self) -> std::result::Result<(), DeviceFault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Forgets all but the first positions.
    pub fn truncate(&mut self, n_positions: usize) {
        self.n_positions = self.n_positions.min(n_positions);
    }

    /// A cache of its own with the first positions of this one.
    pub fn copy_prefix(&self, n_positions: usize) -> Self {
        let mut copy = Self {
            device: self.device.clone(),
            layers: Vec::new(),
            n_positions: 0,
            capacity: 0,
            fault: self.fault.clone(),
            replays: Replays::default(),
            ..*self
        };
        copy.copy_on(self, n_positions);
        copy
    }

    /// Takes over from `other`, which holds the same tokens so far, the positions from here up to
    /// `n_positions`.
    pub fn copy_on(&mut self, other: &Self, n_positions: usize) {
        let n_positions = other.n_positions.min(n_positions);
        if n_positions > self.n_positions {
            self.fault = self.fault.take().or_else(|| other.fault.clone());
            let copied = self.try_copy_on(other, n_positions);
            self.note(copied);
            self.n_positions = n_positions;
        }
    }

    fn try_copy_on(&mut self, other: &Self, n_positions: usize) -> Result<()> {
        let (from, n_more) = (self.n_positions, n_positions - self.n_positions);
        self.try_reserve(n_more)?;
        for (layer, other) in self.layers.iter().zip(&other.layers) {
            for (to, other) in [(&layer.keys, &other.keys), (&layer.values, &other.values)] {
                to.slice_set(&other.narrow(1, from, n_more)?.contiguous()?, 1, from)?;
            }
        }
        Ok(())
    }

    /// Keeps, of the positions from `base` on, those at `base + rows[i]`, which become `base + i`:
    /// what a verified tree leaves. `rows` ascends.
    ///
    /// # Panics
    /// If a row is not held.
    pub fn compact(&mut self, base: usize, rows: &[usize]) {
        let in_place = rows.iter().enumerate().take_while(|(i, row)| i == *row).count();
        let moved: Vec<u32> = rows[in_place..].iter().map(|row| (base + row) as u32).collect();
        if let Some(last) = moved.last() {
            assert!((*last as usize) < self.n_positions, "only held positions are kept");
            let kept = self.try_move(moved, base + in_place);
            self.note(kept);
        }
        self.truncate(base + rows.len());
    }

    fn try_move(&mut self, from: Vec<u32>, to: usize) -> Result<()> {
        let n = from.len();
        let from = Tensor::from_vec(from, n, &self.device.candle)?;
        for layer in &self.layers {
            for slab in [&layer.keys, &layer.values] {
                slab.slice_set(&slab.index_select(&from, 1)?, 1, to)?;
            }
        }
        Ok(())
    }

    /// Makes room for positions beyond the held ones, without holding them yet.
    pub fn reserve(&mut self, n_more: usize) {
        let reserved = self.try_reserve(n_more);
        self.note(reserved);
    }

    fn try_reserve(&mut self, n_more: usize) -> Result<()> {
        let capacity = (self.n_positions + n_more).next_multiple_of(GROWTH);
        if capacity <= self.capacity {
            return Ok(());
        }
        self.replays = Replays::default();
        let TensorDevice { candle, dtype, .. } = &self.device;
        let shape = (self.n_kv_heads, capacity, self.head_dim);
        let empty = || Tensor::zeros(shape, *dtype, candle);
        let mut old = std::mem::take(&mut self.layers).into_iter();
        for _ in 0..self.n_layers {
            let layer = Layer { keys: empty()?, values: empty()? };
            if let Some(old) = old.next().filter(|_| self.n_positions > 0) {
                for (to, from) in [(&layer.keys, &old.keys), (&layer.values, &old.values)] {
                    to.slice_set(&from.narrow(1, 0, self.n_positions)?.contiguous()?, 1, 0)?;
                }
            }
            self.layers.push(layer);
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Writes positions of one layer, which [`KvCache::reserve`] has made room for, and returns what
    /// of the layer there is to see then.
    ///
    /// * `keys`, `values`: `(n_kv_heads, n_rows, head_dim)`.
    /// * returns both as `(n_kv_heads, n_seen, head_dim)`.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn write(
        &mut self,
        layer_idx: usize,
        keys: &Tensor,
        values: &Tensor,
        place: &Place,
    ) -> Result<(Tensor, Tensor)> {
        let layer = &self.layers[layer_idx];
        let n_seen = self.n_positions + keys.dim(1)?;
        let put = |slab: &Tensor, rows: &Tensor| match place {
            Place::Behind => {
                slab.slice_set(rows, 1, self.n_positions)?;
                slab.narrow(1, 0, n_seen)
            }
            Place::At(positions) => {
                slab.scatter_set(positions, rows, 1)?;
                Ok(slab.clone())
            }
        };
        Ok((put(&layer.keys, keys)?, put(&layer.values, values)?))
    }

    /// Counts the positions that were written to every layer as held.
    pub fn commit(&mut self, n_more: usize) {
        self.n_positions += n_more;
    }

    /// Remembers the first thing that went wrong; what comes after it is of no use.
    fn note(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.fault.get_or_insert_with(|| error.into());
        }
    }
}

#[cfg(test)]
impl KvCache {
    /// Keys and values of the held positions of a layer, `(2, n_kv_heads, n_positions, head_dim)`.
    pub fn held(&self, layer_idx: usize) -> Vec<f32> {
        let Some(layer) = self.layers.get(layer_idx) else { return Vec::new() };
        let values = |slab: &Tensor| {
            let held = slab.narrow(1, 0, self.n_positions).unwrap().flatten_all().unwrap();
            held.to_dtype(candle_core::DType::F32).unwrap().to_vec1::<f32>().unwrap()
        };
        [values(&layer.keys), values(&layer.values)].concat()
    }
}
