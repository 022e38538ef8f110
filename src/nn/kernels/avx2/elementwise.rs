//! Quantization, softmax and gates.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm_add_epi32,
    _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_extract_epi32, _mm_hadd_epi32, _mm_max_ps, _mm_max_ss,
    _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_andnot_ps,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cvtps_epi32,
    _mm256_div_ps, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_fnmadd_ps, _mm256_hadd_epi32, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_round_ps,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_storeu_si256, _mm256_sub_ps, _mm256_xor_ps,
};

use super::{
    Avx2,
    registers::{load_f32, store_f32},
};
use crate::nn::kernels::{
    activations::{ActivationBlock, BLOCK},
    portable::{self, EXP_LIMIT, EXP_POLYNOMIAL, LN_2_HIGH, LN_2_LOW},
};

impl Avx2 {
    /// See [`portable::quantize`].
    pub fn quantize(self, values: &[f32], blocks: &mut [ActivationBlock]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { quantize(values, blocks) }
    }

    /// See [`portable::exponentials`].
    pub fn exponentials(self, scores: &mut [f32]) -> f32 {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { exponentials(scores) }
    }

    /// See [`portable::silu_mul`].
    pub fn silu_mul(self, gate: &mut [f32], up: &[f32]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { silu_mul(gate, up) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn quantize(values: &[f32], blocks: &mut [ActivationBlock]) {
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        *block = quantize_block(values);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn quantize_block(values: &[f32; BLOCK]) -> ActivationBlock {
    let sign = _mm256_set1_ps(-0.0);
    let mut vectors = [_mm256_setzero_ps(); 4];
    let mut magnitudes = vectors;
    for (i, values) in values.as_chunks().0.iter().enumerate() {
        vectors[i] = load_f32(values);
        magnitudes[i] = _mm256_andnot_ps(sign, vectors[i]);
    }
    let [a, b, c, d] = magnitudes;
    let peak = highest(_mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d)));
    let inverse = _mm256_set1_ps(if peak == 0.0 { 0.0 } else { 127.0 / peak });
    // The conversion rounds to nearest, ties to even.
    let mut quants = [_mm256_setzero_si256(); 4];
    for (quants, vector) in quants.iter_mut().zip(vectors) {
        *quants = _mm256_cvtps_epi32(_mm256_mul_ps(vector, inverse));
    }
    let [a, b, c, d] = quants;
    // Packing works within 128-bit halves; the permutation puts the words back in order.
    let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    let quads = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    let sums = _mm256_hadd_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sums = _mm_hadd_epi32(sums, sums);
    let (first, last) = (_mm_cvtsi128_si32(sums), _mm_extract_epi32::<1>(sums));
    let scale = peak / 127.0;
    ActivationBlock {
        quads: store_i32(quads),
        scale,
        sum: scale * (first + last) as f32,
        half_sums: first & 0xFFFF | last << 16,
    }
}

/// The highest of eight lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn highest(lanes: __m256) -> f32 {
    let four = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn exponentials(scores: &mut [f32]) -> f32 {
    let (vectors, rest) = scores.as_chunks_mut::<8>();
    let mut highest = _mm256_set1_ps(f32::NEG_INFINITY);
    for vector in &*vectors {
        highest = _mm256_max_ps(highest, load_f32(vector));
    }
    let highest =
        store_f32(highest).iter().chain(&*rest).copied().fold(f32::NEG_INFINITY, f32::max);
    let highest = _mm256_set1_ps(highest);
    let mut lanes = _mm256_setzero_ps();
    for vector in vectors {
        let powers = exp(_mm256_sub_ps(load_f32(vector), highest));
        lanes = _mm256_add_ps(lanes, powers);
        *vector = store_f32(powers);
    }
    let mut lanes = store_f32(lanes);
    if !rest.is_empty() {
        let mut padded = [0.0; 8];
        padded[..rest.len()].copy_from_slice(rest);
        let powers = store_f32(exp(_mm256_sub_ps(load_f32(&padded), highest)));
        for ((score, lane), power) in rest.iter_mut().zip(&mut lanes).zip(powers) {
            *score = power;
            *lane += power;
        }
    }
    portable::sum_lanes(lanes)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn silu_mul(gate: &mut [f32], up: &[f32]) {
    let (gates, gates_rest) = gate.as_chunks_mut::<8>();
    let (ups, ups_rest) = up.as_chunks::<8>();
    for (gate, up) in gates.iter_mut().zip(ups) {
        let g = load_f32(gate);
        let denominator =
            _mm256_add_ps(exp(_mm256_xor_ps(g, _mm256_set1_ps(-0.0))), _mm256_set1_ps(1.0));
        *gate = store_f32(_mm256_mul_ps(_mm256_div_ps(g, denominator), load_f32(up)));
    }
    portable::silu_mul(gates_rest, ups_rest);
}

/// See [`portable::exp`].
#[target_feature(enable = "avx2,fma,f16c")]
fn exp(x: __m256) -> __m256 {
    let x = _mm256_max_ps(x, _mm256_set1_ps(-EXP_LIMIT));
    let x = _mm256_min_ps(x, _mm256_set1_ps(EXP_LIMIT));
    let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
        x,
        _mm256_set1_ps(std::f32::consts::LOG2_E),
    ));
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_HIGH), x);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_LOW), r);
    let mut p = _mm256_set1_ps(EXP_POLYNOMIAL[0]);
    for coefficient in &EXP_POLYNOMIAL[1..] {
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(*coefficient));
    }
    let p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0)));
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_i32(vector: __m256i) -> [i32; 8] {
    let mut values = [0; 8];
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) };
    values
}
