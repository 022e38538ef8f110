//! The one inner loop of the speech models: a matrix times time-shifted rows.
//!
//! `out[o][t] += Σ_i Σ_k weight[o][i·kernel + k] · source[i][t + k·dilation]` is a convolution, and
//! with a kernel of one a plain matrix product. It reads the shifted rows where they are, so nothing
//! is copied into columns first, and each output is summed in one fixed order wherever it stands:
//! a piece of a signal gives bit for bit what the whole gives.
//!
//! Why not candle's `conv1d`: it gathers columns value by value, and its element-wise kernels
//! run on a spinning barrier pool that only environment variables can size; measured on HiFi-GAN V3,
//! this loop is several times as fast on one thread. Vectors come from `pulp`, the safe SIMD layer
//! under candle's own `gemm`.

use pulp::{Arch, Simd, WithSimd};

/// Outputs that are summed together; with [`VECTORS`] this fills 12 of AVX2's 16 registers.
const PANEL: usize = 4;
/// Vectors of time steps that are summed together.
const VECTORS: usize = 3;
/// Values a source must have past its last row, because the last tile reads whole vectors.
pub const SLACK: usize = 64;
/// Source values that one sweep over all weights may touch, so that they stay in the L2 cache.
const SWEEP_VALUES: usize = 48 * 1024;

/// A weight matrix `(n_out, n_taps)` laid out for the inner loop, four outputs side by side.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    panels: Vec<f32>,
    n_out: usize,
    n_taps: usize,
}

impl PackedMatrix {
    /// Packs a matrix given by its entries.
    pub fn new(n_out: usize, n_taps: usize, entry: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Vec::with_capacity(n_out.next_multiple_of(PANEL) * n_taps);
        for first in (0..n_out).step_by(PANEL) {
            for tap in 0..n_taps {
                panels.extend(
                    (first..first + PANEL)
                        .map(|out| if out < n_out { entry(out, tap) } else { 0.0 }),
                );
            }
        }
        Self { panels, n_out, n_taps }
    }

    /// Rows.
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// Columns.
    pub fn n_taps(&self) -> usize {
        self.n_taps
    }

    /// Memory it takes.
    pub fn n_bytes(&self) -> u64 {
        (self.panels.len() * size_of::<f32>()) as u64
    }
}

/// Rows of a signal as the inner loop reads them.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The rows and at least [`SLACK`] values after the last.
    pub values: &'a [f32],
    /// Values from one row to the next.
    pub stride: usize,
    /// Taps of each row.
    pub kernel: usize,
    /// Time steps from one tap to the next.
    pub dilation: usize,
}

/// A row stride for `len` values at which the rows of a block do not fall on the same cache lines.
pub fn row_stride(len: usize) -> usize {
    let lines = len.div_ceil(16);
    16 * (lines + usize::from(lines.is_multiple_of(2)))
}

/// Adds the product to `out`, which is `(n_out, len)`.
///
/// # Panics
/// If `source` is too short for `len` outputs.
pub fn multiply_add(matrix: &PackedMatrix, source: Source<'_>, out: &mut [f32], len: usize) {
    debug_assert_eq!(out.len(), matrix.n_out * len);
    if len == 0 || matrix.n_taps == 0 {
        return;
    }
    Arch::new().dispatch(MultiplyAdd { matrix, source, out, len });
}

struct MultiplyAdd<'a> {
    matrix: &'a PackedMatrix,
    source: Source<'a>,
    out: &'a mut [f32],
    len: usize,
}

impl WithSimd for MultiplyAdd<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "the vectors are of the caller's instruction set")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, source, out, len } = self;
        let n_in = matrix.n_taps / source.kernel;
        let wide = VECTORS * S::F32_LANES;
        let sweep = (SWEEP_VALUES / n_in / wide).max(1) * wide;
        for sweep_start in (0..len).step_by(sweep) {
            let sweep_end = (sweep_start + sweep).min(len);
            let panels = matrix.panels.chunks_exact(matrix.n_taps * PANEL);
            for (panel, rows) in panels.zip(out.chunks_mut(len * PANEL)) {
                let mut start = sweep_start;
                while start + wide <= sweep_end {
                    tile::<S, VECTORS>(simd, panel, source, start, wide, rows, len);
                    start += wide;
                }
                while start < sweep_end {
                    let n = S::F32_LANES.min(sweep_end - start);
                    tile::<S, 1>(simd, panel, source, start, n, rows, len);
                    start += n;
                }
            }
        }
    }
}

/// Sums `PANEL` outputs over `N` vectors of time steps and adds the first `n` steps to `rows`.
#[expect(clippy::inline_always, reason = "the vectors are of the caller's instruction set")]
#[inline(always)]
fn tile<S: Simd, const N: usize>(
    simd: S,
    panel: &[f32],
    source: Source<'_>,
    start: usize,
    n: usize,
    rows: &mut [f32],
    len: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; PANEL];
    let n_values = N * S::F32_LANES;
    let per_row = panel.chunks_exact(source.kernel * PANEL);
    for (row, weights) in per_row.enumerate() {
        let mut at = row * source.stride + start;
        for weights in weights.chunks_exact(PANEL) {
            let (vectors, _) = S::as_simd_f32s(&source.values[at..at + n_values]);
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                let weight = simd.splat_f32s(weight);
                for (sum, &vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add_f32s(weight, vector, *sum);
                }
            }
            at += source.dilation;
        }
    }
    for (row, sums) in rows.chunks_mut(len).zip(&sums) {
        let mut row = &mut row[start..start + n];
        for &sum in sums {
            let (now, later) = row.split_at_mut(S::F32_LANES.min(row.len()));
            let before = simd.partial_load_f32s(now);
            simd.partial_store_f32s(now, simd.add_f32s(before, sum));
            row = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that look random and are the same each time.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[track_caller]
    fn check(n_out: usize, n_in: usize, kernel: usize, dilation: usize, len: usize) {
        let n_taps = n_in * kernel;
        let weights = noise(n_out * n_taps, 1);
        let stride = row_stride(len + (kernel - 1) * dilation);
        let values = noise(n_in * stride + SLACK, 2);
        let mut out = noise(n_out * len, 3);
        let mut expected = out.clone();
        for o in 0..n_out {
            for t in 0..len {
                for i in 0..n_in {
                    for k in 0..kernel {
                        expected[o * len + t] += weights[o * n_taps + i * kernel + k]
                            * values[i * stride + t + k * dilation];
                    }
                }
            }
        }
        let matrix = PackedMatrix::new(n_out, n_taps, |out, tap| weights[out * n_taps + tap]);
        let source = Source { values: &values, stride, kernel, dilation };
        multiply_add(&matrix, source, &mut out, len);
        for (at, (got, want)) in out.iter().zip(&expected).enumerate() {
            assert!((got - want).abs() < 1e-4, "at {at}: {got}, expected {want}");
        }
    }

    #[test]
    fn equals_the_sum_written_out() {
        check(1, 1, 1, 1, 1);
        check(3, 2, 1, 1, 7);
        check(4, 3, 5, 3, 24);
        check(6, 5, 3, 12, 57);
        check(9, 40, 2, 1, 1500);
    }

    #[test]
    fn a_piece_equals_the_whole_bit_for_bit() {
        let (n_out, n_in, kernel, len) = (5, 6, 3, 200);
        let weights = noise(n_out * n_in * kernel, 4);
        let matrix = PackedMatrix::new(n_out, n_in * kernel, |o, t| weights[o * n_in * kernel + t]);
        let stride = row_stride(len + kernel);
        let values = noise(n_in * stride + SLACK, 5);
        let mut whole = vec![0.0; n_out * len];
        multiply_add(
            &matrix,
            Source { values: &values, stride, kernel, dilation: 1 },
            &mut whole,
            len,
        );
        let (from, n) = (37, 101);
        let mut piece = vec![0.0; n_out * n];
        let source = Source { values: &values[from..], stride, kernel, dilation: 1 };
        multiply_add(&matrix, source, &mut piece, n);
        for row in 0..n_out {
            assert_eq!(
                piece[row * n..(row + 1) * n],
                whole[row * len + from..row * len + from + n]
            );
        }
    }
}
