//! Scores and weighted sums over a key/value cache.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};

use half::f16;

use super::{
    Avx2,
    registers::{load_f16, load_f32, prefetch, store_f32},
};
use crate::nn::kernels::attention::{KeyStretch, ValueStretch};

/// How many positions ahead values are asked for.
const PREFETCH_ROWS: usize = 16;

impl Avx2 {
    /// See [`portable::scores`](crate::nn::kernels::portable::scores).
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

    /// See [`portable::weighted_sum`](crate::nn::kernels::portable::weighted_sum).
    pub fn weighted_sum<const QUERIES: usize>(
        self,
        values: ValueStretch<'_>,
        weights: [&[f32]; QUERIES],
        sums: &mut [f32],
    ) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { weighted_sum(values, weights, sums) }
    }
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
        let mut keys = [_mm256_setzero_ps(); BLOCKS];
        for (keys, block) in keys.iter_mut().zip(blocks) {
            if dim.is_multiple_of(4) {
                // The next pass's, a cache line at a time.
                prefetch(&block[dim], BLOCKS * stride * size_of::<f16>());
            }
            *keys = load_f16(&block[dim]);
        }
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
    let mut totals = [[_mm256_setzero_ps(); VECTORS]; QUERIES];
    for (i, totals) in totals.iter_mut().enumerate() {
        let sums = sums[i * head_dim + at..].as_chunks().0;
        for (totals, sums) in totals.iter_mut().zip(sums) {
            *totals = load_f32(sums);
        }
    }
    let whole = n_positions / 8 * 8;
    for first in (0..whole).step_by(8) {
        let mut of_eight = [&[0.0; 8]; QUERIES];
        for (of_eight, weights) in of_eight.iter_mut().zip(weights) {
            *of_eight = weights[first..].first_chunk().expect("eight positions have weights");
        }
        for i in 0..8 {
            let row = &values[(first + i) * stride + at..];
            let mut of_row = [0.0; QUERIES];
            for (of_row, of_eight) in of_row.iter_mut().zip(of_eight) {
                *of_row = of_eight[i];
            }
            add_row(&mut totals, row, of_row, stride);
        }
    }
    for position in whole..n_positions {
        let mut of_row = [0.0; QUERIES];
        for (of_row, weights) in of_row.iter_mut().zip(weights) {
            *of_row = weights[position];
        }
        add_row(&mut totals, &values[position * stride + at..], of_row, stride);
    }
    for (i, totals) in totals.into_iter().enumerate() {
        let sums = sums[i * head_dim + at..].as_chunks_mut().0;
        for (sums, totals) in sums.iter_mut().zip(totals) {
            *sums = store_f32(totals);
        }
    }
}

/// Adds weight times value of one position.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_row<const QUERIES: usize, const VECTORS: usize>(
    totals: &mut [[__m256; VECTORS]; QUERIES],
    row: &[f16],
    weights: [f32; QUERIES],
    stride: usize,
) {
    let row: &[[f16; 8]; VECTORS] =
        row.as_chunks().0.first_chunk().expect("a row holds the dimensions of a pass");
    prefetch(row, PREFETCH_ROWS * stride * size_of::<f16>());
    let mut values = [_mm256_setzero_ps(); VECTORS];
    for (values, halves) in values.iter_mut().zip(row) {
        *values = load_f16(halves);
    }
    for (totals, weight) in totals.iter_mut().zip(weights) {
        let weight = _mm256_set1_ps(weight);
        for (total, value) in totals.iter_mut().zip(values) {
            *total = _mm256_fmadd_ps(value, weight, *total);
        }
    }
}
