//! Rows of activations in the forms that weights want them in: as they are, and quantized.
//!
//! Quantized weights meet activations of eight bits in blocks of 32, as llama.cpp's `q8_0` and
//! `q8_1` have them: `scale = max|x| / 127`, `quant = round(x · 127 / max|x|)`, and for formats
//! with a minimum `scale · Σ quants`; both factors are rounded to half precision.
//! Source: `quantize_row_q8_1` of ggml, <https://github.com/ggml-org/llama.cpp>.

use half::f16;

use super::{Instructions, portable};

/// Values under one scale, in every block format that is read here.
pub const BLOCK: usize = 32;

/// A block of 32 activations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ActivationBlock {
    /// The quants, −127..=127, four to a word with the first in the lowest byte.
    pub quads: [i32; 8],
    /// What a quant stands for.
    pub scale: f32,
    /// Scale times the sum of the quants.
    pub sum: f32,
}

/// `(n_rows, n_in)` activations.
#[derive(Debug, Default)]
pub struct Activations {
    n_in: usize,
    values: Vec<f32>,
    blocks: Vec<ActivationBlock>,
}

impl Activations {
    /// Takes in rows of `n_in` values, and quantizes them if they are made of whole blocks.
    ///
    /// # Panics
    /// If `values` is not made of whole rows.
    pub fn assign(&mut self, instructions: Instructions, values: &[f32], n_in: usize) {
        assert!(n_in > 0 && values.len().is_multiple_of(n_in), "activations come in whole rows");
        self.n_in = n_in;
        self.values.clear();
        self.values.extend_from_slice(values);
        self.blocks.clear();
        if n_in.is_multiple_of(BLOCK) {
            let blocks = values.as_chunks().0.iter();
            self.blocks.extend(blocks.map(|block| quantize_block(instructions, block)));
        }
    }

    /// Values in a row.
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.values.len().checked_div(self.n_in).unwrap_or(0)
    }

    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let values = self.values.capacity() * size_of::<f32>();
        (values + self.blocks.capacity() * size_of::<ActivationBlock>()) as u64
    }

    /// The rows as they were given.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.n_in.max(1))
    }

    /// The rows, quantized; none if a row is not made of whole blocks.
    pub fn quantized_rows(&self) -> impl Iterator<Item = &[ActivationBlock]> {
        self.blocks.chunks_exact((self.n_in / BLOCK).max(1))
    }
}

fn quantize_block(instructions: Instructions, values: &[f32; BLOCK]) -> ActivationBlock {
    let (quads, scale, total) = match instructions {
        Instructions::Portable => portable::quantize(values),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2(avx2) => avx2.quantize(values),
    };
    ActivationBlock {
        quads,
        scale: f16::from_f32(scale).to_f32(),
        sum: f16::from_f32(scale * total as f32).to_f32(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantized(instructions: Instructions, values: &[f32]) -> Vec<ActivationBlock> {
        let mut activations = Activations::default();
        activations.assign(instructions, values, values.len());
        activations.quantized_rows().flatten().copied().collect()
    }

    #[test]
    fn a_block_comes_back_within_a_step() {
        let values: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) * 0.1).collect();
        for (block, values) in
            quantized(Instructions::Portable, &values).iter().zip(values.chunks(32))
        {
            let quants = block.quads.iter().flat_map(|quad| quad.to_le_bytes());
            for (quant, value) in quants.zip(values) {
                assert!((f32::from(quant as i8) * block.scale - value).abs() <= block.scale * 0.6);
            }
        }
    }

    #[test]
    fn silence_has_no_scale() {
        assert_eq!(quantized(Instructions::best(), &[0.0; 32]), [ActivationBlock::default()]);
    }

    proptest! {
        #[test]
        fn every_instruction_set_quantizes_alike(values in prop::collection::vec(-9f32..9.0, 64)) {
            prop_assert_eq!(
                quantized(Instructions::best(), &values),
                quantized(Instructions::Portable, &values)
            );
        }
    }
}
