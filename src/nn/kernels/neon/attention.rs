//! Scores and weighted sums over a key/value cache.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::aarch64::{vdupq_n_f32, vfmaq_n_f32};

use super::{
    Neon,
    registers::{load_f16, load_f32, store_all},
};
use crate::nn::kernels::attention::{DIMS_PER_PASS, KeyStretch, ValueStretch};

impl Neon {
    /// See [`portable::scores`](crate::nn::kernels::portable::scores).
    pub fn scores<const QUERIES: usize>(
        self,
        keys: KeyStretch<'_>,
        queries: &[[f32; QUERIES]],
        scores: &mut [f32],
        padded: usize,
    ) {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let KeyStretch { keys, stride, n_positions } = keys;
            for (block_idx, block) in keys.chunks(stride).take(n_positions / 8).enumerate() {
                let mut sums = [[vdupq_n_f32(0.0); 2]; QUERIES];
                for (keys, queries) in block.as_chunks().0.iter().zip(queries) {
                    let keys = load_f16(keys);
                    for (sums, query) in sums.iter_mut().zip(queries) {
                        for (sums, keys) in sums.iter_mut().zip(keys) {
                            *sums = vfmaq_n_f32(*sums, keys, *query);
                        }
                    }
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    let found: [f32; 8] = store_all(sums);
                    scores[i * padded + block_idx * 8..][..8].copy_from_slice(&found);
                }
            }
        }
    }

    /// See [`portable::weighted_sum`](crate::nn::kernels::portable::weighted_sum).
    pub fn weighted_sum<const QUERIES: usize>(
        self,
        values: ValueStretch<'_>,
        weights: [&[f32]; QUERIES],
        sums: &mut [f32],
    ) {
        // SAFETY: every 64-bit ARM processor has NEON.
        unsafe {
            let ValueStretch { values, stride, n_positions } = values;
            let head_dim = sums.len() / QUERIES;
            for at in (0..head_dim).step_by(DIMS_PER_PASS) {
                let mut totals = [[vdupq_n_f32(0.0); 4]; QUERIES];
                for (totals, sums) in totals.iter_mut().zip(sums.chunks_exact(head_dim)) {
                    for (totals, sums) in totals.iter_mut().zip(sums[at..].as_chunks().0) {
                        *totals = load_f32(sums);
                    }
                }
                for (position, values) in values.chunks(stride).take(n_positions).enumerate() {
                    let halves = values[at..at + DIMS_PER_PASS].as_chunks().0;
                    let ([a, b], [c, d]) = (load_f16(&halves[0]), load_f16(&halves[1]));
                    for (totals, weights) in totals.iter_mut().zip(weights) {
                        for (totals, values) in totals.iter_mut().zip([a, b, c, d]) {
                            *totals = vfmaq_n_f32(*totals, values, weights[position]);
                        }
                    }
                }
                for (totals, sums) in totals.into_iter().zip(sums.chunks_exact_mut(head_dim)) {
                    let found: [f32; DIMS_PER_PASS] = store_all(totals);
                    sums[at..at + DIMS_PER_PASS].copy_from_slice(&found);
                }
            }
        }
    }
}
