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

use super::threads::pool;

/// Outputs that are summed together; with [`VECTORS`] this fills 12 of AVX2's 16 registers.
const PANEL: usize = 4;
/// Vectors of time steps that are summed together.
const VECTORS: usize = 3;
/// Values a source must have past its last row, because the last tile reads whole vectors.
pub const SLACK: usize = 64;
/// Source values that one sweep over all weights may touch to stay in the first-level cache, and in
/// the second.
const NEAR_VALUES: usize = 5 * 1024;
const FAR_VALUES: usize = 48 * 1024;
/// Bytes of weights that stay in the second-level cache beside that.
const NEAR_WEIGHTS: usize = 256 * 1024;

/// Products that are not worth handing to another thread: below some tens of microseconds.
const SMALL: usize = 400_000;
/// Parts for each thread, so that one that is held up leaves little to wait for.
const PARTS_PER_THREAD: usize = 4;

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
    let panels = matrix.panels.as_slice();
    let n_in = matrix.n_taps / source.kernel;
    let tap = |at: usize| at / source.kernel * source.stride + at % source.kernel * source.dilation;
    let offsets: Vec<usize> = (0..matrix.n_taps).map(tap).collect();
    let product = |panels: &[f32], out: &mut [f32]| {
        let (offsets, values) = (offsets.as_slice(), source.values);
        Arch::new().dispatch(MultiplyAdd { panels, offsets, n_in, values, out, len });
    };
    let pool = pool();
    let n_threads = pool.n_threads();
    if n_threads == 1 || matrix.n_out * matrix.n_taps * len < SMALL {
        product(panels, out);
        return;
    }
    // Whole panels of outputs: each output is summed as it would be alone.
    let n_panels = matrix.n_out.div_ceil(PANEL);
    let part = n_panels.div_ceil(n_threads * PARTS_PER_THREAD);
    let mut scratch = vec![(); n_threads];
    pool.each_part(out, part * PANEL * len, &mut scratch, |part_idx, out, ()| {
        product(&panels[part_idx * part * PANEL * matrix.n_taps..], out);
    });
}

struct MultiplyAdd<'a> {
    /// Of the outputs at hand and those after them.
    panels: &'a [f32],
    /// Where each tap reads, from the first time step on.
    offsets: &'a [usize],
    n_in: usize,
    values: &'a [f32],
    out: &'a mut [f32],
    len: usize,
}

impl WithSimd for MultiplyAdd<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "the vectors are of the caller's instruction set")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panels, offsets, n_in, values, out, len } = self;
        let n_taps = offsets.len();
        let wide = VECTORS * S::F32_LANES;
        let sweep = sweep(n_in, n_taps, out.len() / len, wide);
        for sweep_start in (0..len).step_by(sweep) {
            let sweep_end = (sweep_start + sweep).min(len);
            let panels = panels.chunks_exact(n_taps * PANEL);
            for (panel, rows) in panels.zip(out.chunks_mut(len * PANEL)) {
                let mut start = sweep_start;
                while start < sweep_end {
                    // The last whole tile and a narrow rest are shared out between two.
                    let left = sweep_end - start;
                    let is_last_but_one = left > wide && left < wide + S::F32_LANES;
                    let n = if is_last_but_one { wide - S::F32_LANES } else { wide.min(left) };
                    let tile = Tile { panel, offsets, values: &values[start..], start, n, len };
                    match n.div_ceil(S::F32_LANES) {
                        1 => tile.add::<S, 1>(simd, rows),
                        2 => tile.add::<S, 2>(simd, rows),
                        _ => tile.add::<S, VECTORS>(simd, rows),
                    }
                    start += n;
                }
            }
        }
    }
}

/// How many time steps one sweep over all weights should take.
///
/// Long sweeps read the source from the second-level cache again for each panel, three cycles for
/// each row of a tile; short ones read the weights again, 32 bytes in a cycle from that cache and
/// half of it from the third. With a long kernel a row is worth more work once it is read.
fn sweep(n_in: usize, n_taps: usize, n_out: usize, wide: usize) -> usize {
    let [near, far] = [NEAR_VALUES, FAR_VALUES].map(|values| (values / n_in / wide).max(1) * wide);
    let n_bytes = n_out * n_taps * size_of::<f32>();
    let bytes_per_cycle = if n_bytes > NEAR_WEIGHTS { 16 } else { 32 };
    let again_weights = n_bytes / bytes_per_cycle * wide / near;
    let again_source = n_out / PANEL * n_in * 3;
    let is_near = near * n_in <= 2 * NEAR_VALUES && again_weights < again_source;
    if is_near { near } else { far }
}

/// `PANEL` outputs over the `n` time steps from `start` on.
struct Tile<'a> {
    panel: &'a [f32],
    offsets: &'a [usize],
    /// From the first time step on.
    values: &'a [f32],
    start: usize,
    n: usize,
    len: usize,
}

impl Tile<'_> {
    /// Sums over `N` vectors of time steps and adds the first `n` steps to `rows`.
    ///
    /// One loop over all taps, so that the sums stay in registers from the first to the last.
    #[expect(clippy::inline_always, reason = "the vectors are of the caller's instruction set")]
    #[inline(always)]
    fn add<S: Simd, const N: usize>(&self, simd: S, rows: &mut [f32]) {
        let Self { panel, offsets, values, start, n, len } = *self;
        let mut sums = [[simd.splat_f32s(0.0); N]; PANEL];
        let n_values = N * S::F32_LANES;
        for (weights, &at) in panel.chunks_exact(PANEL).zip(offsets) {
            let (vectors, _) = S::as_simd_f32s(&values[at..at + n_values]);
            for (sums, &weight) in sums.iter_mut().zip(weights) {
                let weight = simd.splat_f32s(weight);
                for (sum, &vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add_f32s(weight, vector, *sum);
                }
            }
        }
        for (row, sums) in rows.chunks_mut(len).zip(&sums) {
            let row = &mut row[start..start + n];
            let (whole, rest) = S::as_mut_simd_f32s(row);
            for (value, &sum) in whole.iter_mut().zip(sums) {
                *value = simd.add_f32s(*value, sum);
            }
            if !rest.is_empty() {
                let before = simd.partial_load_f32s(rest);
                simd.partial_store_f32s(rest, simd.add_f32s(before, sums[whole.len()]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc};

    use super::*;
    use crate::nn::{kernels::Pool, share_work_among};

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

    #[test]
    fn several_threads_give_the_bits_of_one() {
        let (n_out, n_in, kernel, len) = (37, 24, 3, 700);
        let n_taps = n_in * kernel;
        assert!(n_out * n_taps * len > SMALL, "too small to be shared");
        let weights = noise(n_out * n_taps, 6);
        let matrix = PackedMatrix::new(n_out, n_taps, |o, t| weights[o * n_taps + t]);
        let stride = row_stride(len + kernel);
        let values = noise(n_in * stride + SLACK, 7);
        let product = || {
            let mut out = noise(n_out * len, 8);
            let source = Source { values: &values, stride, kernel, dilation: 1 };
            multiply_add(&matrix, source, &mut out, len);
            out
        };
        let alone = product();
        let three = Pool::new(NonZeroUsize::new(3).unwrap()).unwrap();
        share_work_among(Arc::new(three));
        assert_eq!(product(), alone);
    }
}
