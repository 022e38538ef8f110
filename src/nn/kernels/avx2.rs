//! The kernels on AVX2 registers of eight lanes, bit for bit what `portable` computes.
//!
//! Lanes hold outputs (or positions, or dimensions), so every lane adds up in the order of the
//! plain loop. [`Avx2`] can only be had on a processor with the instructions; its methods are safe.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls and loads")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128,
    _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_andnot_ps, _mm256_castsi256_ps, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_cvtps_epi32,
    _mm256_div_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_round_ps,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_slli_epi32,
    _mm256_srli_epi16, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps, _mm256_xor_ps,
};

use half::f16;

use super::{
    activations::{ActivationBlock, BLOCK},
    attention::{KeyStretch, ValueStretch},
    packing::{Q4Tile, Q8Tile, TILE},
    portable::{self, EXP_LIMIT, EXP_POLYNOMIAL, LN_2_HIGH, LN_2_LOW},
};

/// Proof that this processor has AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// `None` on a processor without the instructions.
    pub fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has_all.then_some(Self(()))
    }

    /// See [`portable::quantize`].
    pub fn quantize(self, values: &[f32; BLOCK]) -> ([i32; 8], f32, i32) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { quantize(values) }
    }

    /// See [`portable::q4_1`]; several rows share the unpacking of a tile.
    pub fn q4_1<const ROWS: usize>(
        self,
        tiles: &[Q4Tile],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { q4_1(tiles, rows) }
    }

    /// See [`portable::q8_0`].
    pub fn q8_0<const ROWS: usize>(
        self,
        tiles: &[Q8Tile],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { q8_0(tiles, rows) }
    }

    /// See [`portable::f32`].
    pub fn f32<const ROWS: usize>(
        self,
        vectors: &[[f32; TILE]],
        rows: [&[f32]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { f32(vectors, rows) }
    }

    /// See [`portable::scores`].
    pub fn scores<const QUERIES: usize>(
        self,
        keys: KeyStretch<'_>,
        queries: &[[f32; QUERIES]],
        scores: &mut [f32],
        padded: usize,
    ) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { self::scores(keys, queries, scores, padded) }
    }

    /// See [`portable::weighted_sum`].
    pub fn weighted_sum<const QUERIES: usize>(
        self,
        values: ValueStretch<'_>,
        weights: [&[f32]; QUERIES],
        sums: &mut [f32],
    ) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { weighted_sum(values, weights, sums) }
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
fn quantize(values: &[f32; BLOCK]) -> ([i32; 8], f32, i32) {
    let sign = _mm256_set1_ps(-0.0);
    let mut peaks = _mm256_setzero_ps();
    let mut vectors = [peaks; 4];
    for (vector, values) in vectors.iter_mut().zip(values.as_chunks::<8>().0) {
        *vector = load_f32(values);
        peaks = _mm256_max_ps(peaks, _mm256_andnot_ps(sign, *vector));
    }
    let peak = store_f32(peaks).into_iter().fold(0f32, f32::max);
    let inverse = _mm256_set1_ps(if peak == 0.0 { 0.0 } else { 127.0 / peak });
    // The conversion rounds to nearest, ties to even.
    let mut quants = [_mm256_setzero_si256(); 4];
    for (quants, vector) in quants.iter_mut().zip(vectors) {
        *quants = _mm256_cvtps_epi32(_mm256_mul_ps(vector, inverse));
    }
    let [a, b, c, d] = quants;
    let totals = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    // Packing works within 128-bit halves; the permutation puts the words back in order.
    let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    let quads = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    (store_i32(quads), peak / 127.0, store_i32(totals).iter().sum())
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q4_1<const ROWS: usize>(
    tiles: &[Q4Tile],
    rows: [&[ActivationBlock]; ROWS],
) -> [[f32; TILE]; ROWS] {
    let rows = rows.map(|row| &row[..tiles.len()]);
    let low_nibbles = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for (block_idx, tile) in tiles.iter().enumerate() {
        // Sums of sixteen products of at most 15 · 127 stay below 2^15.
        let mut dots = [_mm256_setzero_si256(); ROWS];
        for (v, nibbles) in tile.nibbles.iter().enumerate() {
            let nibbles = load_u8(nibbles);
            let even = _mm256_and_si256(nibbles, low_nibbles);
            let odd = _mm256_and_si256(_mm256_srli_epi16::<4>(nibbles), low_nibbles);
            for (dots, row) in dots.iter_mut().zip(rows) {
                let quads = &row[block_idx].quads;
                let first = _mm256_maddubs_epi16(even, _mm256_set1_epi32(quads[2 * v]));
                let second = _mm256_maddubs_epi16(odd, _mm256_set1_epi32(quads[2 * v + 1]));
                *dots = _mm256_add_epi16(*dots, _mm256_add_epi16(first, second));
            }
        }
        let scales = load_f16(&tile.scales);
        let mins = load_f16(&tile.mins);
        for ((sums, dots), row) in sums.iter_mut().zip(dots).zip(rows) {
            let block = &row[block_idx];
            let dots = _mm256_cvtepi32_ps(_mm256_madd_epi16(dots, ones));
            let products = _mm256_mul_ps(_mm256_mul_ps(dots, scales), _mm256_set1_ps(block.scale));
            let offsets = _mm256_mul_ps(mins, _mm256_set1_ps(block.sum));
            *sums = _mm256_add_ps(*sums, _mm256_add_ps(products, offsets));
        }
    }
    sums.map(|sums| store_f32(sums))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q8_0<const ROWS: usize>(
    tiles: &[Q8Tile],
    rows: [&[ActivationBlock]; ROWS],
) -> [[f32; TILE]; ROWS] {
    let rows = rows.map(|row| &row[..tiles.len()]);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for (block_idx, tile) in tiles.iter().enumerate() {
        let mut dots = [_mm256_setzero_si256(); ROWS];
        for (v, quants) in tile.quants.iter().enumerate() {
            // The product wants one side unsigned, so the weight's sign moves to the activation.
            let weights = load_i8(quants);
            let magnitudes = _mm256_abs_epi8(weights);
            for (dots, row) in dots.iter_mut().zip(rows) {
                let quad = _mm256_set1_epi32(row[block_idx].quads[v]);
                let pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(quad, weights));
                *dots = _mm256_add_epi32(*dots, _mm256_madd_epi16(pairs, ones));
            }
        }
        let scales = load_f16(&tile.scales);
        for ((sums, dots), row) in sums.iter_mut().zip(dots).zip(rows) {
            let scale = _mm256_set1_ps(row[block_idx].scale);
            let products = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(dots), scales), scale);
            *sums = _mm256_add_ps(*sums, products);
        }
    }
    sums.map(|sums| store_f32(sums))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn f32<const ROWS: usize>(vectors: &[[f32; TILE]], rows: [&[f32]; ROWS]) -> [[f32; TILE]; ROWS] {
    let rows = rows.map(|row| &row[..vectors.len()]);
    let mut partial = [[_mm256_setzero_ps(); 4]; ROWS];
    let (quads, rest) = vectors.as_chunks::<4>();
    for (quad_idx, quad) in quads.iter().enumerate() {
        let [a, b, c, d] = quad;
        let weights = [load_f32(a), load_f32(b), load_f32(c), load_f32(d)];
        for (partial, row) in partial.iter_mut().zip(rows) {
            let values = &row[4 * quad_idx..4 * quad_idx + 4];
            for i in 0..4 {
                partial[i] = _mm256_fmadd_ps(weights[i], _mm256_set1_ps(values[i]), partial[i]);
            }
        }
    }
    for (i, vector) in rest.iter().enumerate() {
        let weights = load_f32(vector);
        for (partial, row) in partial.iter_mut().zip(rows) {
            let value = _mm256_set1_ps(row[4 * quads.len() + i]);
            partial[i] = _mm256_fmadd_ps(weights, value, partial[i]);
        }
    }
    partial.map(|[a, b, c, d]| store_f32(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d))))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn scores<const QUERIES: usize>(
    keys: KeyStretch<'_>,
    queries: &[[f32; QUERIES]],
    scores: &mut [f32],
    padded: usize,
) {
    let KeyStretch { keys, stride, n_positions } = keys;
    // As many sums at a time as hide the latency of the multiply-add in sixteen registers.
    let per_pass = match QUERIES {
        1..=3 => 4,
        4 => 3,
        _ => 2,
    };
    let n_blocks = n_positions / 8;
    let mut block_idx = 0;
    while block_idx < n_blocks {
        let scores = &mut scores[block_idx * 8..];
        let keys = &keys[block_idx * stride..];
        let n_pass = if n_blocks - block_idx < per_pass { 1 } else { per_pass };
        match n_pass {
            4 => score_blocks::<QUERIES, 4>(keys, stride, queries, scores, padded),
            3 => score_blocks::<QUERIES, 3>(keys, stride, queries, scores, padded),
            2 => score_blocks::<QUERIES, 2>(keys, stride, queries, scores, padded),
            _ => score_blocks::<QUERIES, 1>(keys, stride, queries, scores, padded),
        }
        block_idx += n_pass;
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn score_blocks<const QUERIES: usize, const BLOCKS: usize>(
    keys: &[f16],
    stride: usize,
    queries: &[[f32; QUERIES]],
    scores: &mut [f32],
    padded: usize,
) {
    let blocks: [&[[f16; 8]]; BLOCKS] =
        std::array::from_fn(|b| &keys[b * stride..].as_chunks().0[..queries.len()]);
    let mut sums = [[_mm256_setzero_ps(); QUERIES]; BLOCKS];
    for (dim, queries) in queries.iter().enumerate() {
        let keys = blocks.map(|block| load_f16(&block[dim]));
        for i in 0..QUERIES {
            let query = _mm256_set1_ps(queries[i]);
            for b in 0..BLOCKS {
                sums[b][i] = _mm256_fmadd_ps(keys[b], query, sums[b][i]);
            }
        }
    }
    for (b, sums) in sums.into_iter().enumerate() {
        for (i, sums) in sums.into_iter().enumerate() {
            scores[i * padded + b * 8..][..8].copy_from_slice(&store_f32(sums));
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn weighted_sum<const QUERIES: usize>(
    values: ValueStretch<'_>,
    weights: [&[f32]; QUERIES],
    sums: &mut [f32],
) {
    let head_dim = sums.len() / QUERIES;
    let mut at = 0;
    while at < head_dim {
        if QUERIES <= 3 && head_dim - at >= 32 {
            weigh_dims::<QUERIES, 4>(values, weights, at, sums);
            at += 32;
        } else {
            weigh_dims::<QUERIES, 2>(values, weights, at, sums);
            at += 16;
        }
    }
}

/// Eight times `VECTORS` dimensions from `at` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn weigh_dims<const QUERIES: usize, const VECTORS: usize>(
    values: ValueStretch<'_>,
    weights: [&[f32]; QUERIES],
    at: usize,
    sums: &mut [f32],
) {
    let ValueStretch { values, stride, n_positions } = values;
    let head_dim = sums.len() / QUERIES;
    let weights = weights.map(|weights| &weights[..n_positions]);
    // The last row may end before a whole stride.
    let values = &values[..(n_positions - 1) * stride + head_dim];
    let mut totals: [[__m256; VECTORS]; QUERIES] = std::array::from_fn(|i| {
        let sums = sums[i * head_dim + at..].as_chunks().0;
        std::array::from_fn(|v| load_f32(&sums[v]))
    });
    for position in 0..n_positions {
        let row = values[position * stride + at..].as_chunks().0;
        let row: [__m256; VECTORS] = std::array::from_fn(|v| load_f16(&row[v]));
        for (totals, weights) in totals.iter_mut().zip(weights) {
            let weight = _mm256_set1_ps(weights[position]);
            for (total, value) in totals.iter_mut().zip(row) {
                *total = _mm256_fmadd_ps(value, weight, *total);
            }
        }
    }
    for (i, totals) in totals.into_iter().enumerate() {
        let sums = sums[i * head_dim + at..].as_chunks_mut().0;
        for (sums, totals) in sums.iter_mut().zip(totals) {
            *sums = store_f32(totals);
        }
    }
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
fn load_f32(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_f16(values: &[f16; 8]) -> __m256 {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_u8(values: &[u8; 32]) -> __m256i {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_i8(values: &[i8; 32]) -> __m256i {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_f32(vector: __m256) -> [f32; 8] {
    let mut values = [0.0; 8];
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) };
    values
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_i32(vector: __m256i) -> [i32; 8] {
    let mut values = [0; 8];
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) };
    values
}
