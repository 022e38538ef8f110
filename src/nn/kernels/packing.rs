//! The order in which weights lie in memory: eight outputs side by side.
//!
//! A GGUF file stores a matrix row after row. Here eight rows (outputs) are interleaved into a
//! tile, so that one vector register holds the same four inputs of eight outputs: a product then
//! needs no sum across lanes, each output adds up in its own lane, in the order of the inputs,
//! whatever the number of rows in the pass. Sizes stay those of the file.
//! Block formats: `block_q4_1` and `block_q8_0` of ggml's `ggml-common.h`.

use half::f16;

use super::activations::BLOCK;

/// Outputs in a tile.
pub const TILE: usize = 8;

/// Bytes of a `Q4_1` block in a file: scale, minimum, 16 bytes of nibbles.
pub const Q4_1_BYTES: usize = 20;
/// Bytes of a `Q8_0` block in a file: scale, 32 quants.
pub const Q8_0_BYTES: usize = 34;

/// 32 inputs of eight outputs: `weight = scale · quant + min`, quants in 0..=15.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Q4Tile {
    pub scales: [f16; TILE],
    pub mins: [f16; TILE],
    /// Byte `4 · output + j` of vector `v` holds input `8v + j` low and input `8v + 4 + j` high.
    pub nibbles: [[u8; 32]; 4],
}

/// 32 inputs of eight outputs: `weight = scale · quant`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q8Tile {
    pub scales: [f16; TILE],
    /// Byte `4 · output + j` of vector `v` holds input `4v + j`.
    pub quants: [[i8; 32]; 8],
}

impl Default for Q8Tile {
    fn default() -> Self {
        Self { scales: [f16::ZERO; TILE], quants: [[0; 32]; 8] }
    }
}

impl Q4Tile {
    fn insert(&mut self, output: usize, block: &[u8]) {
        self.scales[output] = f16::from_le_bytes([block[0], block[1]]);
        self.mins[output] = f16::from_le_bytes([block[2], block[3]]);
        // In the file, byte `i` holds inputs `i` and `i + 16`.
        let quant = |input: usize| (block[4 + input % 16] >> (4 * (input / 16))) & 15;
        for (v, vector) in self.nibbles.iter_mut().enumerate() {
            for j in 0..4 {
                vector[4 * output + j] = quant(8 * v + j) | quant(8 * v + 4 + j) << 4;
            }
        }
    }

    /// The weight between an input of the block and an output of the tile.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        self.scales[output].to_f32() * f32::from(self.quant(output, input))
            + self.mins[output].to_f32()
    }

    /// The quant between an input of the block and an output of the tile.
    pub fn quant(&self, output: usize, input: usize) -> u8 {
        (self.nibbles[input / 8][4 * output + input % 4] >> (input % 8 / 4 * 4)) & 15
    }
}

impl Q8Tile {
    fn insert(&mut self, output: usize, block: &[u8]) {
        self.scales[output] = f16::from_le_bytes([block[0], block[1]]);
        for (v, vector) in self.quants.iter_mut().enumerate() {
            for j in 0..4 {
                vector[4 * output + j] = block[2 + 4 * v + j] as i8;
            }
        }
    }

    /// The weight between an input of the block and an output of the tile.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        self.scales[output].to_f32() * f32::from(self.quant(output, input))
    }

    /// The quant between an input of the block and an output of the tile.
    pub fn quant(&self, output: usize, input: usize) -> i8 {
        self.quants[input / 4][4 * output + input % 4]
    }
}

/// `(n_out / 8, n_in / 32)` tiles of `Q4_1` rows; outputs that only fill up the last tile weigh nothing.
pub fn pack_q4_1(bytes: &[u8], n_in: usize) -> Vec<Q4Tile> {
    pack_blocks(bytes, n_in / BLOCK, Q4_1_BYTES, Q4Tile::insert)
}

/// `(n_out / 8, n_in / 32)` tiles of `Q8_0` rows.
pub fn pack_q8_0(bytes: &[u8], n_in: usize) -> Vec<Q8Tile> {
    pack_blocks(bytes, n_in / BLOCK, Q8_0_BYTES, Q8Tile::insert)
}

fn pack_blocks<T: Default + Copy>(
    bytes: &[u8],
    blocks_per_row: usize,
    block_bytes: usize,
    insert: fn(&mut T, usize, &[u8]),
) -> Vec<T> {
    let row_bytes = blocks_per_row * block_bytes;
    let mut tiles = Vec::new();
    tiles.reserve_exact((bytes.len() / row_bytes).div_ceil(TILE) * blocks_per_row);
    for rows in bytes.chunks(TILE * row_bytes) {
        let first = tiles.len();
        tiles.resize(first + blocks_per_row, T::default());
        for (output, row) in rows.chunks_exact(row_bytes).enumerate() {
            for (tile, block) in tiles[first..].iter_mut().zip(row.chunks_exact(block_bytes)) {
                insert(tile, output, block);
            }
        }
    }
    tiles
}

/// `(n_out / 8, n_in)` vectors of eight outputs.
pub fn pack_f32(values: &[f32], n_in: usize) -> Vec<[f32; TILE]> {
    let mut vectors = Vec::new();
    vectors.reserve_exact((values.len() / n_in).div_ceil(TILE) * n_in);
    for rows in values.chunks(TILE * n_in) {
        let first = vectors.len();
        vectors.resize(first + n_in, [0.0; TILE]);
        for (output, row) in rows.chunks_exact(n_in).enumerate() {
            for (vector, value) in vectors[first..].iter_mut().zip(row) {
                vector[output] = *value;
            }
        }
    }
    vectors
}
