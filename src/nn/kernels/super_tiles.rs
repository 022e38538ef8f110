//! Tiles of the formats with two levels of scales over 256 weights ("K-quants").
//!
//! Records: `block_q4_K`, `block_q5_K` and `block_q6_K` of ggml's `ggml-common.h`, read as
//! `dequantize_row_q4_K` and its like do, <https://github.com/ggml-org/llama.cpp>.

use half::f16;

use super::{
    activations::{ActivationBlock, BLOCK},
    tile::{
        BlockTile, Nibbles, Quads, TILE, dot, f16_at, fifth_bit, insert_fifth_bits, insert_nibbles,
        nibble,
    },
};

/// Blocks of 32 under one record.
const BLOCKS: usize = 8;

/// The six-bit scales and minimums of eight blocks.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct SubFactors {
    /// Of block and output: the scale's low four bits, and above them the minimum's.
    pub low: [[u8; TILE]; BLOCKS],
    /// Of two blocks and an output: the scale's two high bits, above them the minimum's, and above
    /// those the second block's.
    pub high: [[u8; TILE]; BLOCKS / 2],
}

/// `weight = scale · sub-scale · quant − min · sub-min`, quants of four bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q4KTile {
    pub scales: [f16; TILE],
    pub mins: [f16; TILE],
    pub sub: SubFactors,
    pub nibbles: [Nibbles; BLOCKS],
}

/// `weight = scale · sub-scale · quant − min · sub-min`, quants of five bits.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q5KTile {
    pub scales: [f16; TILE],
    pub mins: [f16; TILE],
    pub sub: SubFactors,
    pub blocks: [Q5KBlock; BLOCKS],
}

/// 32 inputs of a [`Q5KTile`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q5KBlock {
    pub fifth_bits: Quads,
    pub nibbles: Nibbles,
}

/// `weight = scale · sub-scale · (quant − 32)`, quants of six bits, a sub-scale for each 16.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q6KTile {
    pub scales: [f16; TILE],
    pub blocks: [Q6KBlock; BLOCKS],
}

/// 32 inputs of a [`Q6KTile`].
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Q6KBlock {
    /// Of each output, the sub-scales of the two halves.
    pub sub_scales: [[i8; 2]; TILE],
    /// Of vector `p`, bits `2k` and `2k + 1` of a byte belong to input `16p + 4k + j`.
    pub high_bits: [Quads; 2],
    pub nibbles: Nibbles,
}

const NO_FACTORS: [f16; TILE] = [f16::ZERO; TILE];
const NO_NIBBLES: Nibbles = [[0; 4 * TILE]; 4];
const NO_SUB_FACTORS: SubFactors =
    SubFactors { low: [[0; TILE]; BLOCKS], high: [[0; TILE]; BLOCKS / 2] };

impl SubFactors {
    /// Takes in the twelve bytes in which a record packs eight scales and eight minimums.
    fn insert(&mut self, output: usize, packed: &[u8]) {
        for block in 0..BLOCKS {
            let (scale, min) = if block < 4 {
                (packed[block] & 63, packed[block + 4] & 63)
            } else {
                let low = packed[block + 4];
                (low & 15 | packed[block - 4] >> 6 << 4, low >> 4 | packed[block] >> 6 << 4)
            };
            self.low[block][output] = scale & 15 | (min & 15) << 4;
            let shift = 4 * (block % 2);
            let high = &mut self.high[block / 2][output];
            *high = *high & !(15 << shift) | (scale >> 4 | min >> 4 << 2) << shift;
        }
    }

    fn scale(&self, output: usize, block: usize) -> u8 {
        self.low[block][output] & 15 | (self.high_bits(output, block) & 3) << 4
    }

    fn min(&self, output: usize, block: usize) -> u8 {
        self.low[block][output] >> 4 | (self.high_bits(output, block) >> 2) << 4
    }

    fn high_bits(&self, output: usize, block: usize) -> u8 {
        self.high[block / 2][output] >> (4 * (block % 2)) & 15
    }
}

/// In a file, 64 inputs share 32 bytes: the first half low, the second high.
fn stored_nibble(nibbles: &[u8], input: usize) -> u8 {
    nibbles[input / 64 * 32 + input % 32] >> (input % 64 / 32 * 4) & 15
}

impl BlockTile for Q4KTile {
    const BLOCKS: usize = BLOCKS;
    const STORED_BYTES: usize = 144;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self {
        scales: NO_FACTORS,
        mins: NO_FACTORS,
        sub: NO_SUB_FACTORS,
        nibbles: [NO_NIBBLES; BLOCKS],
    };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        self.mins[output] = f16_at(stored, 2);
        self.sub.insert(output, &stored[4..16]);
        for (block, nibbles) in self.nibbles.iter_mut().enumerate() {
            let quant = |input| stored_nibble(&stored[16..], block * BLOCK + input);
            insert_nibbles(nibbles, output, quant);
        }
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        let block = input / BLOCK;
        let quant = nibble(&self.nibbles[block], output, input % BLOCK);
        self.scale(output, block) * f32::from(quant) + self.min(output, block)
    }

    fn dot(&self, output: usize, block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| nibble(&self.nibbles[block], output, input).into())
    }

    fn scale(&self, output: usize, block: usize) -> f32 {
        self.scales[output].to_f32() * f32::from(self.sub.scale(output, block))
    }

    fn min(&self, output: usize, block: usize) -> f32 {
        -(self.mins[output].to_f32() * f32::from(self.sub.min(output, block)))
    }
}

impl Q5KBlock {
    fn quant(&self, output: usize, input: usize) -> u8 {
        nibble(&self.nibbles, output, input) | fifth_bit(&self.fifth_bits, output, input)
    }
}

impl BlockTile for Q5KTile {
    const BLOCKS: usize = BLOCKS;
    const STORED_BYTES: usize = 176;
    const HAS_MIN: bool = true;
    const EMPTY: Self = Self {
        scales: NO_FACTORS,
        mins: NO_FACTORS,
        sub: NO_SUB_FACTORS,
        blocks: [Q5KBlock { fifth_bits: [0; 4 * TILE], nibbles: NO_NIBBLES }; BLOCKS],
    };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        self.scales[output] = f16_at(stored, 0);
        self.mins[output] = f16_at(stored, 2);
        self.sub.insert(output, &stored[4..16]);
        for (idx, block) in self.blocks.iter_mut().enumerate() {
            // In a file, bit `b` of byte `i` belongs to input `32b + i`.
            let fifth = |input: usize| (stored[16 + input] >> idx & 1) << 4;
            insert_fifth_bits(&mut block.fifth_bits, output, fifth);
            let quant = |input| stored_nibble(&stored[48..], idx * BLOCK + input);
            insert_nibbles(&mut block.nibbles, output, quant);
        }
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        let block = input / BLOCK;
        let quant = self.blocks[block].quant(output, input % BLOCK);
        self.scale(output, block) * f32::from(quant) + self.min(output, block)
    }

    fn dot(&self, output: usize, block: usize, activations: &ActivationBlock) -> i32 {
        dot(activations, |input| self.blocks[block].quant(output, input).into())
    }

    fn scale(&self, output: usize, block: usize) -> f32 {
        self.scales[output].to_f32() * f32::from(self.sub.scale(output, block))
    }

    fn min(&self, output: usize, block: usize) -> f32 {
        -(self.mins[output].to_f32() * f32::from(self.sub.min(output, block)))
    }
}

impl Q6KBlock {
    /// Without its offset of 32.
    fn quant(&self, output: usize, input: usize) -> i32 {
        let high = self.high_bits[input / 16][4 * output + input % 4] >> (input % 16 / 4 * 2) & 3;
        i32::from(nibble(&self.nibbles, output, input) | high << 4) - 32
    }
}

impl BlockTile for Q6KTile {
    const BLOCKS: usize = BLOCKS;
    const STORED_BYTES: usize = 210;
    const HAS_MIN: bool = false;
    const EMPTY: Self = Self {
        scales: NO_FACTORS,
        blocks: [Q6KBlock {
            sub_scales: [[0; 2]; TILE],
            high_bits: [[0; 4 * TILE]; 2],
            nibbles: NO_NIBBLES,
        }; BLOCKS],
    };

    fn insert(&mut self, output: usize, stored: &[u8]) {
        let (nibbles, rest) = stored.split_at(128);
        let (high_bits, rest) = rest.split_at(64);
        let (sub_scales, scale) = rest.split_at(16);
        self.scales[output] = f16_at(scale, 0);
        for (idx, block) in self.blocks.iter_mut().enumerate() {
            block.sub_scales[output] = [2 * idx, 2 * idx + 1].map(|i| sub_scales[i] as i8);
            // In a file, 128 inputs share 64 bytes of low bits, the upper 64 inputs in the upper
            // nibbles, and 32 bytes of high bits, two for each 32 inputs.
            let quarter = idx % 4;
            let quant = |input: usize| {
                nibbles[idx / 4 * 64 + quarter % 2 * 32 + input] >> (quarter / 2 * 4) & 15
            };
            insert_nibbles(&mut block.nibbles, output, quant);
            for (p, vector) in block.high_bits.iter_mut().enumerate() {
                for j in 0..4 {
                    let high = |k: usize| {
                        high_bits[idx / 4 * 32 + 16 * p + 4 * k + j] >> (2 * quarter) & 3
                    };
                    vector[4 * output + j] = (0..4).map(|k| high(k) << (2 * k)).sum();
                }
            }
        }
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        let block = &self.blocks[input / BLOCK];
        let sub_scale = block.sub_scales[output][input % BLOCK / 16];
        self.scales[output].to_f32()
            * f32::from(sub_scale)
            * block.quant(output, input % BLOCK) as f32
    }

    fn dot(&self, output: usize, block: usize, activations: &ActivationBlock) -> i32 {
        let block = &self.blocks[block];
        let sub_scales = block.sub_scales[output];
        dot(activations, |input| i32::from(sub_scales[input / 16]) * block.quant(output, input))
    }

    fn scale(&self, output: usize, _block: usize) -> f32 {
        self.scales[output].to_f32()
    }

    fn min(&self, _output: usize, _block: usize) -> f32 {
        0.0
    }
}
