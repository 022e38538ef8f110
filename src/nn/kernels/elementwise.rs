//! Small row operations of a transformer: norm, rotation, gate, residual.

use super::{Instructions, portable};

/// Root-mean-square norm of rows: `x / sqrt(mean(x²) + eps) · weight`, into `out`.
///
/// Squares are added up in eight lanes, then folded, so a row's bits do not depend on its company.
///
/// # Panics
/// If `out` is not as long as `x`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "the norm changes no shape");
    for (x, out) in x.chunks_exact(weight.len()).zip(out.chunks_exact_mut(weight.len())) {
        let mut lanes = [0f32; 8];
        for values in x.chunks(8) {
            for (lane, value) in lanes.iter_mut().zip(values) {
                *lane += value * value;
            }
        }
        let mean = portable::sum_lanes(lanes) / weight.len() as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for ((out, value), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = value * scale * weight;
        }
    }
}

/// Turns the pairs `(x[2i], x[2i + 1])` of a head by its position's angles: the interleaved rotary
/// embedding of GGUF files, <https://arxiv.org/abs/2104.09864>.
///
/// `angles` holds cosine and sine of each pair; dimensions beyond them stay as they are.
pub fn rotate_pairs(head: &mut [f32], angles: &[(f32, f32)]) {
    for ([even, odd], (cos, sin)) in head.as_chunks_mut().0.iter_mut().zip(angles) {
        let (a, b) = (*even, *odd);
        *even = a * cos - b * sin;
        *odd = a * sin + b * cos;
    }
}

/// The gate of a `SwiGLU` layer: `gate · sigmoid(gate) · up`, into `gate`.
pub fn silu_mul(instructions: Instructions, gate: &mut [f32], up: &[f32]) {
    match instructions {
        Instructions::Portable => portable::silu_mul(gate, up),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2(avx2) => avx2.silu_mul(gate, up),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512(avx512) => avx512.avx2.silu_mul(gate, up),
        #[cfg(target_arch = "aarch64")]
        Instructions::Neon(neon) => neon.silu_mul(gate, up),
    }
}

/// Replaces scores by `exp(score − highest)` and returns the sum of those: a softmax but for its
/// division.
pub fn exponentials(instructions: Instructions, scores: &mut [f32]) -> f32 {
    match instructions {
        Instructions::Portable => portable::exponentials(scores),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2(avx2) => avx2.exponentials(scores),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512(avx512) => avx512.avx2.exponentials(scores),
        #[cfg(target_arch = "aarch64")]
        Instructions::Neon(neon) => neon.exponentials(scores),
    }
}

/// Adds `y` to `x`.
pub fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_normed_row_has_unit_mean_square() {
        let x: Vec<f32> = (0..20).map(|i| i as f32 - 7.0).collect();
        let mut out = [0.0; 20];
        rms_norm(&x, &[1.0; 20], 0.0, &mut out);
        let mean_square = out.iter().map(|v| v * v).sum::<f32>() / 20.0;
        assert!((mean_square - 1.0).abs() < 1e-5, "mean square is {mean_square}");
    }

    #[test]
    fn a_quarter_turn_moves_even_to_odd() {
        let mut head = vec![1.0, 2.0, 3.0, 4.0];
        rotate_pairs(&mut head, &[(0.0, 1.0)]);
        assert_eq!(head, [-2.0, 1.0, 3.0, 4.0]);
    }

    proptest! {
        #[test]
        fn every_instruction_set_gates_alike(
            gate in prop::collection::vec(-200f32..200.0, 21),
            up in prop::collection::vec(-3f32..3.0, 21),
        ) {
            let (mut best, mut portable) = (gate.clone(), gate.clone());
            silu_mul(Instructions::best(), &mut best, &up);
            silu_mul(Instructions::Portable, &mut portable, &up);
            prop_assert_eq!(&best, &portable);
            for ((value, g), up) in best.iter().zip(&gate).zip(&up) {
                let exact = f64::from(*g) / (1.0 + f64::from(-g).exp()) * f64::from(*up);
                prop_assert!((f64::from(*value) - exact).abs() <= 1e-6 * exact.abs() + 1e-30);
            }
        }
    }
}
