//! The order in which weights lie in memory: sixteen outputs side by side.
//!
//! A GGUF file stores a matrix row after row. Here sixteen rows (outputs) are interleaved into a
//! tile, so that vector registers hold the same four inputs of as many outputs as they have lanes:
//! a product then needs no sum across lanes, each output adds up in its own lane, in the order of
//! the inputs, whatever the number of rows in the pass. Sizes stay those of the file.

use std::{fmt::Debug, io};

use half::f16;

use super::{
    activations::{ActivationBlock, BLOCK},
    store::{Slab, Store},
};

/// Outputs in a tile.
pub const TILE: usize = 16;

/// Four inputs of each output: byte `4 · output + j` belongs to input `j`.
pub type Quads = [u8; 4 * TILE];

/// Weights between some blocks of 32 inputs and sixteen outputs, as a block format stores them.
///
/// The product with a block of activations is `dot · scale · activations' scale`, and for formats
/// with a minimum `min · activations' sum` is added to it.
pub trait BlockTile: Copy + Debug + Send + Sync + 'static {
    /// Blocks of 32 inputs that share a record of the file.
    const BLOCKS: usize;
    /// Bytes of a record for one output.
    const STORED_BYTES: usize;
    /// Whether the format has a minimum.
    const HAS_MIN: bool;
    /// No weights at all.
    const EMPTY: Self;

    /// Takes in one output's record.
    fn insert(&mut self, output: usize, stored: &[u8]);

    /// The weight between an input and an output, as the format's inventors define it.
    fn weight(&self, output: usize, input: usize) -> f32;

    /// The whole-number product of one output's quants with those of a block of activations.
    fn dot(&self, output: usize, block: usize, activations: &ActivationBlock) -> i32;

    /// What a step of the product is worth.
    fn scale(&self, output: usize, block: usize) -> f32;

    /// What each unit of the activations adds; zero for formats without a minimum.
    fn min(&self, output: usize, block: usize) -> f32;
}

/// `(n_out / 16, n_in / 32 / BLOCKS)` tiles; outputs that only fill up the last tile weigh nothing.
///
/// # Errors
/// If there is no memory left.
pub fn pack_blocks<T: BlockTile>(
    store: &mut Store,
    stored: &[u8],
    n_in: usize,
) -> io::Result<Slab<T>> {
    let per_row = n_in / (BLOCK * T::BLOCKS);
    let row_bytes = per_row * T::STORED_BYTES;
    let n_tiles = (stored.len() / row_bytes).div_ceil(TILE);
    let mut tiles = store.fill(n_tiles * per_row, T::EMPTY)?;
    for (rows, tiles) in stored.chunks(TILE * row_bytes).zip(tiles.chunks_exact_mut(per_row)) {
        for (output, row) in rows.chunks_exact(row_bytes).enumerate() {
            for (tile, record) in tiles.iter_mut().zip(row.chunks_exact(T::STORED_BYTES)) {
                tile.insert(output, record);
            }
        }
    }
    Ok(tiles)
}

/// `(n_out / 16, n_in)` vectors of sixteen outputs.
///
/// # Errors
/// If there is no memory left.
pub fn pack_plain<T: Copy + Default>(
    store: &mut Store,
    values: &[T],
    n_in: usize,
) -> io::Result<Slab<[T; TILE]>> {
    let n_tiles = (values.len() / n_in).div_ceil(TILE);
    let mut vectors = store.fill(n_tiles * n_in, [T::default(); TILE])?;
    for (rows, vectors) in values.chunks(TILE * n_in).zip(vectors.chunks_exact_mut(n_in)) {
        for (output, row) in rows.chunks_exact(n_in).enumerate() {
            for (vector, value) in vectors.iter_mut().zip(row) {
                vector[output] = *value;
            }
        }
    }
    Ok(vectors)
}

/// A block of 32 inputs of sixteen outputs with each quant in a byte, for passes of so many rows that
/// unpacking it once for all of them pays.
#[derive(Debug, Clone, Copy)]
pub struct Unpacked {
    /// Inputs `4k..4k + 4` of each output.
    pub quads: [Quads; BLOCK / 4],
    /// See [`BlockTile::scale`].
    pub scales: [f32; TILE],
    /// See [`BlockTile::min`].
    pub mins: [f32; TILE],
}

impl Unpacked {
    /// No weights at all.
    pub const EMPTY: Self =
        Self { quads: [[0; 4 * TILE]; BLOCK / 4], scales: [0.0; TILE], mins: [0.0; TILE] };
}

/// The low four bits of 32 inputs: vector `v` holds inputs `8v..8v + 4` low and the next four high.
pub type Nibbles = [Quads; 4];

/// Writes one output's low four bits.
pub fn insert_nibbles(nibbles: &mut Nibbles, output: usize, quant: impl Fn(usize) -> u8) {
    for (v, vector) in nibbles.iter_mut().enumerate() {
        for j in 0..4 {
            vector[4 * output + j] = (quant(8 * v + j) & 15) | (quant(8 * v + 4 + j) & 15) << 4;
        }
    }
}

/// The low four bits of one weight.
pub fn nibble(nibbles: &Nibbles, output: usize, input: usize) -> u8 {
    (nibbles[input / 8][4 * output + input % 4] >> (input % 8 / 4 * 4)) & 15
}

/// The fifth bit of 32 inputs: bit `k` of a byte belongs to input `4k + j`.
pub fn insert_fifth_bits(bits: &mut Quads, output: usize, quant: impl Fn(usize) -> u8) {
    for j in 0..4 {
        bits[4 * output + j] = (0..8).map(|k| (quant(4 * k + j) >> 4 & 1) << k).sum();
    }
}

/// The fifth bit of one weight, in its place.
pub fn fifth_bit(bits: &Quads, output: usize, input: usize) -> u8 {
    (bits[4 * output + input % 4] >> (input / 4) & 1) << 4
}

/// The whole-number product of 32 quants with those of a block of activations.
pub fn dot(activations: &ActivationBlock, quant: impl Fn(usize) -> i32) -> i32 {
    activations.quants().enumerate().map(|(input, x)| quant(input) * i32::from(x)).sum()
}

/// A half-precision number of a record.
pub fn f16_at(stored: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([stored[at], stored[at + 1]])
}
