//! Each block format's quants and scales in registers.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, uint8x16_t, vandq_u8, vcvtq_f32_u32, vdupq_n_f32,
    vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, vget_high_u16, vget_low_u8, vget_low_u16, vmlaq_s32,
    vmovl_high_u8, vmovl_u8, vmovl_u16, vmulq_f32, vmulq_n_f32, vnegq_f32, vorrq_u8,
    vreinterpretq_s8_u8, vshlq_n_u8, vshlq_u8, vshrq_n_u8, vsubq_s8,
};

use half::f16;

use super::{
    Neon,
    blocks::{Blocks, Four, add_dots},
    registers::{load_bytes, load_f16, load_i32},
};
use crate::nn::kernels::{
    activations::ActivationBlock,
    block_tiles::{Q4_0Tile, Q4_1Tile, Q5_0Tile, Q5_1Tile, Q8_0Tile},
    super_tiles::{Q4KTile, Q5KTile, Q6KTile, SubFactors},
    tile::{Nibbles, Quads, TILE},
};

/// Four inputs of outputs `4q..4q + 4`.
#[inline]
#[target_feature(enable = "neon")]
fn load_quarter(quads: &Quads, q: usize) -> uint8x16_t {
    load_bytes(&quads.as_chunks().0[q])
}

#[inline]
#[target_feature(enable = "neon")]
fn load_nibbles(nibbles: &Nibbles, v: usize, q: usize) -> uint8x16_t {
    let quads = load_quarter(&nibbles[v / 2], q);
    if v.is_multiple_of(2) { vandq_u8(quads, vdupq_n_u8(15)) } else { vshrq_n_u8::<4>(quads) }
}

/// Moves every byte by so many bits, to the left if `by` is positive.
#[inline]
#[target_feature(enable = "neon")]
fn shift(bytes: uint8x16_t, by: i8) -> uint8x16_t {
    vshlq_u8(bytes, vdupq_n_s8(by))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_fives(nibbles: &Nibbles, bits: &Quads, v: usize, q: usize) -> int8x16_t {
    let fifth = vandq_u8(shift(load_quarter(bits, q), 4 - v as i8), vdupq_n_u8(16));
    vreinterpretq_s8_u8(vorrq_u8(load_nibbles(nibbles, v, q), fifth))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_factors(factors: &[f16; TILE]) -> Four<float32x4_t> {
    let halves = factors.as_chunks().0;
    let ([a, b], [c, d]) = (load_f16(&halves[0]), load_f16(&halves[1]));
    [a, b, c, d]
}

/// Sixteen bytes as numbers.
#[inline]
#[target_feature(enable = "neon")]
fn widen(bytes: uint8x16_t) -> Four<float32x4_t> {
    let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
    [vget_low_u16(low), vget_high_u16(low), vget_low_u16(high), vget_high_u16(high)]
        .map(|words| vcvtq_f32_u32(vmovl_u16(words)))
}

/// The four bits that the scale and minimum of a block have above their low ones.
#[inline]
#[target_feature(enable = "neon")]
fn sub_high(sub: &SubFactors, block: usize) -> uint8x16_t {
    shift(load_bytes(&sub.high[block / 2]), -4 * (block % 2) as i8)
}

#[inline]
#[target_feature(enable = "neon")]
fn sub_scales(scales: &[f16; TILE], sub: &SubFactors, block: usize) -> Four<float32x4_t> {
    let low = vandq_u8(load_bytes(&sub.low[block]), vdupq_n_u8(15));
    let high = vshlq_n_u8::<4>(vandq_u8(sub_high(sub, block), vdupq_n_u8(3)));
    let (scales, sub_scales) = (load_factors(scales), widen(vorrq_u8(low, high)));
    std::array::from_fn(|q| vmulq_f32(scales[q], sub_scales[q]))
}

#[inline]
#[target_feature(enable = "neon")]
fn sub_mins(mins: &[f16; TILE], sub: &SubFactors, block: usize) -> Four<float32x4_t> {
    let low = vshrq_n_u8::<4>(load_bytes(&sub.low[block]));
    let high = vshlq_n_u8::<2>(vandq_u8(sub_high(sub, block), vdupq_n_u8(12)));
    let (mins, sub_mins) = (load_factors(mins), widen(vorrq_u8(low, high)));
    std::array::from_fn(|q| vnegq_f32(vmulq_f32(mins[q], sub_mins[q])))
}

impl Blocks for Q4_0Tile {
    #[inline]
    fn quants(&self, _block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vreinterpretq_s8_u8(load_nibbles(&self.nibbles, v, q)) }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales).map(|scale| vmulq_n_f32(scale, -8.0)) }
    }
}

impl Blocks for Q4_1Tile {
    #[inline]
    fn quants(&self, _block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vreinterpretq_s8_u8(load_nibbles(&self.nibbles, v, q)) }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.mins) }
    }
}

impl Blocks for Q5_0Tile {
    #[inline]
    fn quants(&self, _block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_fives(&self.nibbles, &self.fifth_bits, v, q) }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales).map(|scale| vmulq_n_f32(scale, -16.0)) }
    }
}

impl Blocks for Q5_1Tile {
    #[inline]
    fn quants(&self, _block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_fives(&self.nibbles, &self.fifth_bits, v, q) }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.mins) }
    }
}

impl Blocks for Q8_0Tile {
    #[inline]
    fn quants(&self, _block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vreinterpretq_s8_u8(load_quarter(&self.quants[v], q)) }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { [vdupq_n_f32(0.0); 4] }
    }
}

impl Blocks for Q4KTile {
    #[inline]
    fn quants(&self, block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { vreinterpretq_s8_u8(load_nibbles(&self.nibbles[block], v, q)) }
    }

    #[inline]
    fn scales(&self, block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { sub_scales(&self.scales, &self.sub, block) }
    }

    #[inline]
    fn mins(&self, block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { sub_mins(&self.mins, &self.sub, block) }
    }
}

impl Blocks for Q5KTile {
    #[inline]
    fn quants(&self, block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let block = &self.blocks[block];
            load_fives(&block.nibbles, &block.fifth_bits, v, q)
        }
    }

    #[inline]
    fn scales(&self, block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { sub_scales(&self.scales, &self.sub, block) }
    }

    #[inline]
    fn mins(&self, block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { sub_mins(&self.mins, &self.sub, block) }
    }
}

impl Blocks for Q6KTile {
    #[inline]
    fn quants(&self, block: usize, v: usize, q: usize) -> int8x16_t {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let block = &self.blocks[block];
            let high = shift(load_quarter(&block.high_bits[v / 4], q), 4 - 2 * (v % 4) as i8);
            let high = vandq_u8(high, vdupq_n_u8(0x30));
            let quants = vorrq_u8(load_nibbles(&block.nibbles, v, q), high);
            vsubq_s8(vreinterpretq_s8_u8(quants), vdupq_n_s8(32))
        }
    }

    #[inline]
    fn scales(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { load_factors(&self.scales) }
    }

    #[inline]
    fn mins(&self, _block: usize) -> Four<float32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe { [vdupq_n_f32(0.0); 4] }
    }

    #[inline]
    fn dots(&self, neon: Neon, block: usize, row: &ActivationBlock) -> Four<int32x4_t> {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let mut dots = [vdupq_n_s32(0); 4];
            for half in 0..2 {
                let mut found = [vdupq_n_s32(0); 4];
                let vectors = 4 * half..4 * half + 4;
                add_dots(neon, &mut found, row, vectors, |v, q| self.quants(block, v, q));
                let sub_scales =
                    self.blocks[block].sub_scales.map(|scales| i32::from(scales[half]));
                for ((dots, found), scales) in
                    dots.iter_mut().zip(found).zip(sub_scales.as_chunks().0)
                {
                    *dots = vmlaq_s32(*dots, found, load_i32(scales));
                }
            }
            dots
        }
    }
}
