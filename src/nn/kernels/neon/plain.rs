//! Products with weights that are plain numbers.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_n_f32, vget_low_u16, vreinterpretq_f32_u32,
    vshll_high_n_u16, vshll_n_u16,
};

use half::{bf16, f16};

use super::{
    Neon,
    registers::{load_f16, load_f32, load_words, store_all},
};
use crate::nn::kernels::{
    plain::{PLAIN_STRETCH, PlainWeight},
    tile::TILE,
};

/// How plain numbers come into registers.
pub trait Plain: PlainWeight {
    /// Eight of them.
    fn load(weights: &[Self; 8]) -> [float32x4_t; 2];
}

impl Plain for f32 {
    #[inline]
    fn load(weights: &[Self; 8]) -> [float32x4_t; 2] {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let halves = weights.as_chunks().0;
            [load_f32(&halves[0]), load_f32(&halves[1])]
        }
    }
}

impl Plain for f16 {
    #[inline]
    fn load(weights: &[Self; 8]) -> [float32x4_t; 2] {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_f16(weights) }
    }
}

impl Plain for bf16 {
    #[inline]
    fn load(weights: &[Self; 8]) -> [float32x4_t; 2] {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let words = load_words(weights);
            [vshll_n_u16::<16>(vget_low_u16(words)), vshll_high_n_u16::<16>(words)]
                .map(|bits| vreinterpretq_f32_u32(bits))
        }
    }
}

impl Neon {
    /// See [`portable::plain`](crate::nn::kernels::portable::plain).
    pub fn plain<T: Plain, const ROWS: usize>(
        self,
        vectors: &[[T; TILE]],
        rows: [&[f32]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let mut sums = [[vdupq_n_f32(0.0); 4]; ROWS];
            for (stretch_idx, stretch) in vectors.chunks(PLAIN_STRETCH).enumerate() {
                let mut partial = [[vdupq_n_f32(0.0); 4]; ROWS];
                for (input, vector) in stretch.iter().enumerate() {
                    let halves = vector.as_chunks().0;
                    let ([a, b], [c, d]) = (T::load(&halves[0]), T::load(&halves[1]));
                    for (partial, row) in partial.iter_mut().zip(rows) {
                        let value = row[stretch_idx * PLAIN_STRETCH + input];
                        for (partial, weights) in partial.iter_mut().zip([a, b, c, d]) {
                            *partial = vfmaq_n_f32(*partial, weights, value);
                        }
                    }
                }
                for (sums, partial) in sums.iter_mut().zip(partial) {
                    for (sums, partial) in sums.iter_mut().zip(partial) {
                        *sums = vaddq_f32(*sums, partial);
                    }
                }
            }
            sums.map(|sums| store_all(sums))
        }
    }
}
