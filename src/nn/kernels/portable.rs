//! The kernels in plain Rust: they run on any processor, and define what the others compute.
//!
//! Sums have a fixed order, and where a product is added it is fused (`mul_add`, rounded once), so
//! that vector registers of any width arrive at the same bits.

use super::{
    activations::{ActivationBlock, BLOCK},
    attention::{KeyStretch, ValueStretch},
    plain::{PLAIN_STRETCH, PlainWeight},
    tile::{BlockTile, TILE},
};

/// Quantizes blocks of 32 values.
pub fn quantize(values: &[f32], blocks: &mut [ActivationBlock]) {
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        let peak = values.iter().fold(0f32, |peak, value| peak.max(value.abs()));
        let inverse = if peak == 0.0 { 0.0 } else { 127.0 / peak };
        let mut sums = [0; 2];
        for (i, values) in values.as_chunks::<4>().0.iter().enumerate() {
            let quants = values.map(|value| (value * inverse).round_ties_even() as i8);
            sums[i / 4] += quants.iter().map(|&quant| i32::from(quant)).sum::<i32>();
            block.quads[i] = i32::from_le_bytes(quants.map(|quant| quant as u8));
        }
        block.scale = peak / 127.0;
        block.sum = block.scale * (sums[0] + sums[1]) as f32;
        block.half_sums = sums[0] & 0xFFFF | sums[1] << 16;
    }
}

/// Sixteen outputs of one row, of weights in a block format.
pub fn blocks<T: BlockTile>(tiles: &[T], row: &[ActivationBlock]) -> [f32; TILE] {
    let mut sums = [0f32; TILE];
    for (tile, row) in tiles.iter().zip(row.chunks(T::BLOCKS)) {
        for (block_idx, block) in row.iter().enumerate() {
            for (output, sum) in sums.iter_mut().enumerate() {
                let dot = tile.dot(output, block_idx, block) as f32;
                *sum = (dot * tile.scale(output, block_idx)).mul_add(block.scale, *sum);
                if T::HAS_MIN {
                    *sum = tile.min(output, block_idx).mul_add(block.sum, *sum);
                }
            }
        }
    }
    sums
}

/// Sixteen outputs of one row, of weights that are plain numbers.
///
/// Stretches of inputs are summed apart, which keeps the error of a long sum small.
pub fn plain<T: PlainWeight>(vectors: &[[T; TILE]], row: &[f32]) -> [f32; TILE] {
    let mut sums = [0f32; TILE];
    for (vectors, row) in vectors.chunks(PLAIN_STRETCH).zip(row.chunks(PLAIN_STRETCH)) {
        let mut partial = [0f32; TILE];
        for (vector, value) in vectors.iter().zip(row) {
            for (sum, weight) in partial.iter_mut().zip(vector) {
                *sum = weight.value().mul_add(*value, *sum);
            }
        }
        for (sum, partial) in sums.iter_mut().zip(partial) {
            *sum += partial;
        }
    }
    sums
}

/// `q · k` of several queries with the positions of a stretch.
///
/// * `queries`: `(head_dim, QUERIES)`.
/// * `scores`: query `i`'s from `i * padded` on.
pub fn scores<const QUERIES: usize>(
    keys: KeyStretch<'_>,
    queries: &[[f32; QUERIES]],
    scores: &mut [f32],
    padded: usize,
) {
    let KeyStretch { keys, stride, n_positions } = keys;
    for (block_idx, block) in keys.chunks(stride).take(n_positions / 8).enumerate() {
        for i in 0..QUERIES {
            let mut sums = [0f32; 8];
            for (keys, queries) in block.as_chunks::<8>().0.iter().zip(queries) {
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = key.to_f32().mul_add(queries[i], *sum);
                }
            }
            scores[i * padded + block_idx * 8..][..8].copy_from_slice(&sums);
        }
    }
}

/// Adds weight times value of the positions of a stretch to `sums`, `(QUERIES, head_dim)`.
pub fn weighted_sum<const QUERIES: usize>(
    values: ValueStretch<'_>,
    weights: [&[f32]; QUERIES],
    sums: &mut [f32],
) {
    let ValueStretch { values, stride, n_positions } = values;
    let head_dim = sums.len() / QUERIES;
    for (position, values) in values.chunks(stride).take(n_positions).enumerate() {
        for (sums, weights) in sums.chunks_exact_mut(head_dim).zip(weights) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = value.to_f32().mul_add(weights[position], *sum);
            }
        }
    }
}

/// Replaces scores by `exp(score − highest)` and returns the sum of those.
pub fn exponentials(scores: &mut [f32]) -> f32 {
    let highest = scores.iter().fold(f32::NEG_INFINITY, |highest, score| highest.max(*score));
    let mut lanes = [0.0; 8];
    for (position, score) in scores.iter_mut().enumerate() {
        *score = exp(*score - highest);
        lanes[position % 8] += *score;
    }
    sum_lanes(lanes)
}

/// `gate · sigmoid(gate) · up`, into `gate`.
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (exp(-*gate) + 1.0) * up;
    }
}

/// Eight numbers added up as a vector register is folded.
pub fn sum_lanes(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `e^x` within two units in the last place, flat beyond ±88.
///
/// Cephes' `expf`: `x = n·ln 2 + r`, a polynomial for `e^r`, and `n` added to the exponent.
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-EXP_LIMIT, EXP_LIMIT);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = (-n).mul_add(LN_2_HIGH, x);
    let r = (-n).mul_add(LN_2_LOW, r);
    let mut p = EXP_POLYNOMIAL[0];
    for coefficient in &EXP_POLYNOMIAL[1..] {
        p = p.mul_add(r, *coefficient);
    }
    let p = p.mul_add(r * r, r + 1.0);
    p * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// Beyond this the exponent would leave its eight bits.
pub const EXP_LIMIT: f32 = 87.0;
/// `ln 2`, its first bits: a product with a small whole number is exact.
pub const LN_2_HIGH: f32 = 0.693_359_4;
/// `ln 2`, the rest.
pub const LN_2_LOW: f32 = -2.121_944_4e-4;
/// From the highest power down; `1 + r` is added apart.
pub const EXP_POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_library_s() {
        for i in -8600..=8600 {
            let x = i as f32 * 0.01;
            let error = f64::from(exp(x)) / f64::from(x).exp() - 1.0;
            assert!(error.abs() < 3e-7, "exp({x}) is off by {error}");
        }
    }
}
