//! Tiles of the formats with a scale for each 32 weights.
//!
//! Records: `block_q4_0`, `block_q4_1`, `block_q5_0`, `block_q5_1` and `block_q8_0` of ggml's
//! `ggml-common.h`, <https://github.com/ggml-org/llama.cpp>.

use half::f16;

use super::{
    activations::{ActivationBlock, BLOCK},
    tile::{
        BlockTile, Nibbles, Quads, TILE, dot, f16_at, fifth_bit, insert_fifth_bits, insert_nibbles,
        nibble,
    },
};

/// `weight = scale · (quant − 8)`, quants of four bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q4_0Tile {
    pub scales: [f16; TILE],
    pub nibbles: Nibbles,
}

/// `weight = scale · quant + min`, quants of four bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q4_1Tile {
    pub scales: [f16; TILE],
    pub mins: [f16; TILE],
    pub nibbles: Nibbles,
}

/// `weight = scale · (quant − 16)`, quants of five bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q5_0Tile {
    pub scales: [f16; TILE],
    pub fifth_bits: Quads,
    pub nibbles: Nibbles,
}

/// `weight = scale · quant + min`, quants of five bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q5_1Tile {
    pub scales: [f16; TILE],
    pub mins: [f16; TILE],
    pub fifth_bits: Quads,
    pub nibbles: Nibbles,
}

/// `weight = scale · quant`, quants of eight bits with a sign.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q8_0Tile {
    pub scales: [f16; TILE],
    /// Vector `v` holds inputs `4v..4v + 4`.
    pub quants: [Quads; 8],
}

const NO_NIBBLES: Nibbles = [[0; 4 * TILE]; 4];
const NO_FACTORS: [f16; TILE] = [f16::ZERO; TILE];

/// In a file, byte `i` holds inputs `i` and `i + 16`.
fn stored_nibble(nibbles: &[u8], input: usize) -> u8 {
    nibbles[input % 16] >> (4 * (input / 16)) & 15
}

/// In a file, the fifth bits are a word, the first input's lowest.
fn stored_fifth(bits: &[u8], input: usize) -> u8 {
    (bits[input / 8] >> (input % 8) & 1) << 4
}

impl BlockTile for Q4_0Tile {
    const BLOCKS: usize = 1;
    const STORED_BYTES: usize = 18;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self { scales: NO_FACTORS, nibbles: NO_NIBBLES };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        insert_nibbles(&mut self.nibbles, output, |input| stored_nibble(&stored[2..], input));
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        (f32::from(nibble(&self.nibbles, output, input)) - 8.0) * self.scale(output, 0)
    }

    fn dot(&self, output: usize, _block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| nibble(&self.nibbles, output, input).into())
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, output: usize, block: usize) -> f32 {
        -8.0 * self.scale(output, block)
    }
}

impl BlockTile for Q4_1Tile {
    const BLOCKS: usize = 1;
    const STORED_BYTES: usize = 20;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self { scales: NO_FACTORS, mins: NO_FACTORS, nibbles: NO_NIBBLES };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        self.mins[output] = f16_at(stored, 2);
        insert_nibbles(&mut self.nibbles, output, |input| stored_nibble(&stored[4..], input));
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        let quant = nibble(&self.nibbles, output, input);
        self.scale(output, 0) * f32::from(quant) + self.min(output, 0)
    }

    fn dot(&self, output: usize, _block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| nibble(&self.nibbles, output, input).into())
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, output: usize, _block: usize) -> f32 {
        self.mins[output].to_f32()
    }
}

impl Q5_0Tile {
    fn quant(&self, output: usize, input: usize) -> u8 {
        nibble(&self.nibbles, output, input) | fifth_bit(&self.fifth_bits, output, input)
    }
}

impl BlockTile for Q5_0Tile {
    const BLOCKS: usize = 1;
    const STORED_BYTES: usize = 22;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self { scales: NO_FACTORS, fifth_bits: [0; 4 * TILE], nibbles: NO_NIBBLES };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        let fifth = |input| stored_fifth(&stored[2..], input);
        insert_fifth_bits(&mut self.fifth_bits, output, fifth);
        insert_nibbles(&mut self.nibbles, output, |input| stored_nibble(&stored[6..], input));
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        (f32::from(self.quant(output, input)) - 16.0) * self.scale(output, 0)
    }

    fn dot(&self, output: usize, _block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| self.quant(output, input).into())
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, output: usize, block: usize) -> f32 {
        -16.0 * self.scale(output, block)
    }
}

impl Q5_1Tile {
    fn quant(&self, output: usize, input: usize) -> u8 {
        nibble(&self.nibbles, output, input) | fifth_bit(&self.fifth_bits, output, input)
    }
}

impl BlockTile for Q5_1Tile {
    const BLOCKS: usize = 1;
    const STORED_BYTES: usize = 24;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self {
        scales: NO_FACTORS,
        mins: NO_FACTORS,
        fifth_bits: [0; 4 * TILE],
        nibbles: NO_NIBBLES,
    };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        self.mins[output] = f16_at(stored, 2);
        let fifth = |input| stored_fifth(&stored[4..], input);
        insert_fifth_bits(&mut self.fifth_bits, output, fifth);
        insert_nibbles(&mut self.nibbles, output, |input| stored_nibble(&stored[8..], input));
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        self.scale(output, 0) * f32::from(self.quant(output, input)) + self.min(output, 0)
    }

    fn dot(&self, output: usize, _block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| self.quant(output, input).into())
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, output: usize, _block: usize) -> f32 {
        self.mins[output].to_f32()
    }
}

impl Q8_0Tile {
    fn quant(&self, output: usize, input: usize) -> i8 {
        self.quants[input / 4][4 * output + input % 4] as i8
    }
}

impl BlockTile for Q8_0Tile {
    const BLOCKS: usize = 1;
    const STORED_BYTES: usize = 34;
    const HAS_MIN: bool = false;
    const EMPTY: Self = Self { scales: NO_FACTORS, quants: [[0; 4 * TILE]; 8] };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        for (vector, quants) in self.quants.iter_mut().zip(stored[2..2 + BLOCK].as_chunks::<4>().0)
        {
            vector[4 * output..][..4].copy_from_slice(quants);
        }
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        self.scale(output, 0) * f32::from(self.quant(output, input))
    }

    fn dot(&self, output: usize, _block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| self.quant(output, input).into())
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, _output: usize, _block: usize) -> f32 {
        0.0
    }
}
