//! Rows of activations in the forms that weights want them in: as they are, and quantized.
//!
//! Quantized weights of every format meet activations of eight bits in blocks of 32:
//! `scale = max|x| / 127`, `quant = round(x · 127 / max|x|)`. Formats with a minimum add it times
//! `scale · Σ quants`, and formats with a scale for each 16 weights need the halves' sums. That is
//! llama.cpp's `q8_1` with factors in single precision; where llama.cpp has one scale for 256
//! activations (`q8_K`), there are eight here.

use super::{Instructions, portable};

/// Values under one scale.
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
    /// The sums of the first and of the last sixteen quants, in the low and in the high half.
    pub half_sums: i32,
}

impl ActivationBlock {
    /// Of silence.
    pub const ZERO: Self = Self { quads: [0; 8], scale: 0.0, sum: 0.0, half_sums: 0 };

    /// The quants, in order.
    pub fn quants(&self) -> impl Iterator<Item = i8> {
        self.quads.into_iter().flat_map(i32::to_le_bytes).map(|byte| byte as i8)
    }

    /// The sums of the first and of the last sixteen quants.
    pub fn sums_of_halves(&self) -> [i32; 2] {
        [i32::from(self.half_sums as i16), self.half_sums >> 16]
    }
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
            self.blocks.resize(values.len() / BLOCK, ActivationBlock::default());
            match instructions {
                Instructions::Portable => portable::quantize(values, &mut self.blocks),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2(avx2) => avx2.quantize(values, &mut self.blocks),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512(avx512) => avx512.avx2.quantize(values, &mut self.blocks),
                #[cfg(target_arch = "aarch64")]
                Instructions::Neon(neon) => neon.quantize(values, &mut self.blocks),
            }
        }
    }

    /// Takes in rows of `n_in` values for weights that are plain numbers, and no others.
    ///
    /// # Panics
    /// If `values` is not made of whole rows.
    pub fn assign_plain(&mut self, values: impl IntoIterator<Item = f32>, n_in: usize) {
        self.n_in = n_in;
        self.values.clear();
        self.values.extend(values);
        self.blocks.clear();
        let n_values = self.values.len();
        assert!(n_in > 0 && n_values.is_multiple_of(n_in), "activations come in whole rows");
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

    /// The rows as they were given, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows, quantized, one after the other; none if a row is not made of whole blocks.
    pub fn blocks(&self) -> &[ActivationBlock] {
        &self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantized(instructions: Instructions, values: &[f32]) -> Vec<ActivationBlock> {
        let mut activations = Activations::default();
        activations.assign(instructions, values, values.len());
        activations.blocks().to_vec()
    }

    #[test]
    fn a_block_comes_back_within_a_step() {
        let values: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) * 0.1).collect();
        for (block, values) in
            quantized(Instructions::Portable, &values).iter().zip(values.chunks(32))
        {
            for (quant, value) in block.quants().zip(values) {
                assert!((f32::from(quant) * block.scale - value).abs() <= block.scale * 0.6);
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_quants() {
        let values: Vec<f32> = (0..32).map(|i| (i * i % 29) as f32 - 11.0).collect();
        let [block] = quantized(Instructions::best(), &values)[..] else { panic!("one block") };
        let quants: Vec<i32> = block.quants().map(i32::from).collect();
        let halves: Vec<i32> = quants.chunks(16).map(|half| half.iter().sum()).collect();
        assert_eq!(block.sums_of_halves().to_vec(), halves);
        assert_eq!(block.sum, block.scale * (halves[0] + halves[1]) as f32);
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
