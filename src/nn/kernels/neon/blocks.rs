//! Products with weights in block formats.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]

use std::arch::{
    aarch64::{
        float32x4_t, int8x16_t, int32x4_t, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32, vfmaq_f32,
        vfmaq_n_f32, vget_low_s8, vmull_high_s8, vmull_s8, vmulq_f32, vpadalq_s16, vpaddq_s16,
        vreinterpretq_s8_s32,
    },
    asm,
};

use super::{Neon, registers::store_all};
use crate::nn::kernels::{
    activations::ActivationBlock,
    tile::{BlockTile, TILE},
};

/// Sixteen outputs in four registers.
pub type Four<T> = [T; 4];

/// How tiles of a block format come into registers.
pub trait Blocks: BlockTile {
    /// Quants of inputs `4v..4v + 4` of outputs `4q..4q + 4`, with their signs; what the scale
    /// makes of the activations' sum is not in them.
    fn quants(&self, block: usize, v: usize, q: usize) -> int8x16_t;

    /// What a step of the product is worth.
    fn scales(&self, block: usize) -> Four<float32x4_t>;

    /// What each unit of the activations adds.
    fn mins(&self, block: usize) -> Four<float32x4_t>;

    /// The whole-number products of a block with those of a row.
    #[inline]
    fn dots(&self, neon: Neon, block: usize, row: &ActivationBlock) -> Four<int32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let mut dots = [vdupq_n_s32(0); 4];
            add_dots(neon, &mut dots, row, 0..8, |v, q| self.quants(block, v, q));
            dots
        }
    }
}

/// Adds the products of some vectors of inputs.
#[inline]
#[target_feature(enable = "neon")]
pub fn add_dots(
    neon: Neon,
    dots: &mut Four<int32x4_t>,
    row: &ActivationBlock,
    vectors: std::ops::Range<usize>,
    quants: impl Fn(usize, usize) -> int8x16_t,
) {
    for v in vectors {
        let quad = vreinterpretq_s8_s32(vdupq_n_s32(row.quads[v]));
        for (q, dots) in dots.iter_mut().enumerate() {
            *dots = if neon.has_dot() {
                // SAFETY: `neon` proves that the processor has the instruction.
                unsafe { add_dot(*dots, quants(v, q), quad) }
            } else {
                add_long(*dots, quants(v, q), quad)
            };
        }
    }
}

/// Adds the products of four bytes to each lane.
///
/// # Safety
/// The processor must have `sdot`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn add_dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller has made sure of the instruction, which touches registers alone.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// As [`add_dot`] on processors without the instruction: two products of 128 · 127 fit 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add_long(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    vpadalq_s16(sums, vpaddq_s16(low, vmull_high_s8(a, b)))
}

impl Neon {
    /// See [`portable::blocks`](crate::nn::kernels::portable::blocks).
    pub fn blocks<T: Blocks, const ROWS: usize>(
        self,
        tiles: &[T],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let mut sums = [[vdupq_n_f32(0.0); 4]; ROWS];
            for (tile_idx, tile) in tiles.iter().enumerate() {
                for block_idx in 0..T::BLOCKS {
                    let (scales, mins) = (tile.scales(block_idx), tile.mins(block_idx));
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        let block = &row[tile_idx * T::BLOCKS + block_idx];
                        let dots = tile.dots(self, block_idx, block);
                        for q in 0..4 {
                            let dots = vmulq_f32(vcvtq_f32_s32(dots[q]), scales[q]);
                            sums[q] = vfmaq_n_f32(sums[q], dots, block.scale);
                            if T::HAS_MIN {
                                sums[q] = vfmaq_f32(sums[q], mins[q], vdupq_n_f32(block.sum));
                            }
                        }
                    }
                }
            }
            sums.map(|sums| store_all(sums))
        }
    }
}
