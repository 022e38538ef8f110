//! Softmax and gates; quantization is left to the compiler, which does well on plain Rust here.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vcvtq_s32_f32, vdivq_f32, vdupq_n_f32, vdupq_n_s32,
    vfmaq_f32, vfmsq_f32, vmaxq_f32, vmaxvq_f32, vminq_f32, vmulq_f32, vnegq_f32,
    vreinterpretq_f32_s32, vrndnq_f32, vshlq_n_s32, vsubq_f32,
};

use super::{
    Neon,
    registers::{load_f32, store_f32},
};
use crate::nn::kernels::{
    activations::ActivationBlock,
    portable::{self, EXP_LIMIT, EXP_POLYNOMIAL, LN_2_HIGH, LN_2_LOW},
};

impl Neon {
    /// See [`portable::quantize`].
    pub fn quantize(self, values: &[f32], blocks: &mut [ActivationBlock]) {
        portable::quantize(values, blocks);
    }

    /// See [`portable::exponentials`].
    pub fn exponentials(self, scores: &mut [f32]) -> f32 {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let (quads, rest) = scores.as_chunks::<4>();
            let lowest = vdupq_n_f32(f32::NEG_INFINITY);
            let highest =
                quads.iter().fold(lowest, |highest, quad| vmaxq_f32(highest, load_f32(quad)));
            let highest = rest.iter().copied().fold(vmaxvq_f32(highest), f32::max);
            let mut lanes = [0.0; 8];
            let (octets, rest) = scores.as_chunks_mut::<8>();
            let mut sums = [vdupq_n_f32(0.0); 2];
            for octet in octets {
                for (quad, sums) in octet.as_chunks_mut().0.iter_mut().zip(&mut sums) {
                    let powers = exp(vsubq_f32(load_f32(quad), vdupq_n_f32(highest)));
                    *sums = vaddq_f32(*sums, powers);
                    *quad = store_f32(powers);
                }
            }
            for (lanes, sums) in lanes.as_chunks_mut().0.iter_mut().zip(sums) {
                *lanes = store_f32(sums);
            }
            for (score, lane) in rest.iter_mut().zip(&mut lanes) {
                *score = portable::exp(*score - highest);
                *lane += *score;
            }
            portable::sum_lanes(lanes)
        }
    }

    /// See [`portable::silu_mul`].
    pub fn silu_mul(self, gate: &mut [f32], up: &[f32]) {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let (gates, gates_rest) = gate.as_chunks_mut::<4>();
            let (ups, ups_rest) = up.as_chunks::<4>();
            for (gate, up) in gates.iter_mut().zip(ups) {
                let g = load_f32(gate);
                let denominator = vaddq_f32(exp(vnegq_f32(g)), vdupq_n_f32(1.0));
                *gate = store_f32(vmulq_f32(vdivq_f32(g, denominator), load_f32(up)));
            }
            portable::silu_mul(gates_rest, ups_rest);
        }
    }
}

/// See [`portable::exp`].
#[inline]
#[target_feature(enable = "neon")]
fn exp(x: float32x4_t) -> float32x4_t {
    let x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-EXP_LIMIT)), vdupq_n_f32(EXP_LIMIT));
    let n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(std::f32::consts::LOG2_E)));
    let r = vfmsq_f32(x, n, vdupq_n_f32(LN_2_HIGH));
    let r = vfmsq_f32(r, n, vdupq_n_f32(LN_2_LOW));
    let mut p = vdupq_n_f32(EXP_POLYNOMIAL[0]);
    for coefficient in &EXP_POLYNOMIAL[1..] {
        p = vfmaq_f32(vdupq_n_f32(*coefficient), p, r);
    }
    let p = vfmaq_f32(vaddq_f32(r, vdupq_n_f32(1.0)), p, vmulq_f32(r, r));
    let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
}
