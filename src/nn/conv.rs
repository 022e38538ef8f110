//! One-dimensional convolutions that keep the length, strided ones that divide it and transposed
//! ones that multiply it.
//!
//! Borders are padded with zeros (jik876) or by reflection (SpeechBrain's `Conv1d(padding="same")`).
//! A transposed convolution with stride `u` is `u` plain ones, one per phase of the output, run as
//! a single matrix whose rows are then interleaved; a strided one is a plain one over `u` times as
//! many channels, one per phase of the input.

use super::{
    features::Features,
    matmul::{PackedMatrix, SLACK, Source, multiply_add, row_stride},
    threads::pool,
    weights::Array,
};

/// Values that are padded faster than another thread is told of them.
const SMALL: usize = 100_000;
/// Parts for each thread, as in products.
const PARTS_PER_THREAD: usize = 4;

/// What a convolution sees past the ends of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros.
    Zero,
    /// The input mirrored at its end values, without repeating them. An input shorter than the
    /// reflection is mirrored to and fro; one of a single value is repeated.
    Reflect,
}

/// Convolution that gives as many outputs as it has inputs. An even kernel hears one input more
/// before its output than after it.
#[derive(Debug, Clone)]
pub struct Conv1d {
    matrix: PackedMatrix,
    bias: Vec<f32>,
    kernel: usize,
    dilation: usize,
    padding: Padding,
}

impl Conv1d {
    /// From a weight `(out, in, kernel)` or, with a kernel of one, `(out, in)`.
    pub fn new(weight: &Array, bias: Vec<f32>, dilation: usize, padding: Padding) -> Self {
        let kernel = weight.shape.get(2).copied().unwrap_or(1);
        let (n_out, n_taps) = (weight.shape[0], weight.shape[1] * kernel);
        let matrix = PackedMatrix::new(n_out, n_taps, |out, tap| weight.values[out * n_taps + tap]);
        Self { matrix, bias, kernel, dilation, padding }
    }

    /// How many inputs on each side have a say in an output.
    pub fn reach(&self) -> usize {
        self.kernel / 2 * self.dilation
    }

    /// Channels it gives.
    pub fn n_out(&self) -> usize {
        self.matrix.n_out()
    }

    /// Channels it takes.
    pub fn n_in(&self) -> usize {
        self.matrix.n_taps() / self.kernel
    }

    /// Memory of its weights.
    pub fn n_bytes(&self) -> u64 {
        self.matrix.n_bytes()
    }

    /// The convolution of `input`.
    pub fn forward(&self, input: &Features) -> Features {
        self.forward_activated(input, |value| value)
    }

    /// The convolution of `activation(input)`, which is applied on the way in.
    pub fn forward_activated(
        &self,
        input: &Features,
        activation: impl Fn(f32) -> f32 + Sync,
    ) -> Features {
        let mut out = Features::from_rows(&self.bias, input.len);
        self.multiply_add(&self.pad(input, activation), &mut out);
        out
    }

    /// Adds the convolution of `activation(input)` to `out`: the end of a residual branch.
    pub fn add_activated(
        &self,
        input: &Features,
        activation: impl Fn(f32) -> f32 + Sync,
        out: &mut Features,
    ) {
        let padded = self.pad(input, activation);
        self.add_bias(out);
        self.multiply_add(&padded, out);
    }

    /// Adds to `x` the convolution of `activation(x)`: a residual branch of one convolution.
    pub fn add_to_itself(&self, x: &mut Features, activation: impl Fn(f32) -> f32 + Sync) {
        let padded = self.pad(x, activation);
        self.add_bias(x);
        self.multiply_add(&padded, x);
    }

    fn pad(&self, input: &Features, activation: impl Fn(f32) -> f32 + Sync) -> Padded {
        assert_eq!(input.n_channels, self.n_in(), "a convolution was given the wrong channels");
        let right = (self.kernel - 1) * self.dilation - self.reach();
        pad(input, self.reach(), right, self.padding, activation)
    }

    fn add_bias(&self, out: &mut Features) {
        for (channel, &bias) in self.bias.iter().enumerate() {
            out.row_mut(channel).iter_mut().for_each(|value| *value += bias);
        }
    }

    fn multiply_add(&self, padded: &Padded, out: &mut Features) {
        let source = Source {
            values: &padded.values,
            stride: padded.stride,
            kernel: self.kernel,
            dilation: self.dilation,
        };
        multiply_add(&self.matrix, source, &mut out.values, out.len);
    }
}

/// Convolution with a stride, zeros past the ends: `len` inputs give
/// `(len + 2·padding − kernel) / stride + 1` outputs.
#[derive(Debug, Clone)]
pub struct StridedConv1d {
    /// Row `out`, tap `(in·stride + phase)·taps + j`.
    matrix: PackedMatrix,
    bias: Vec<f32>,
    taps: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl StridedConv1d {
    /// From a weight `(out, in, kernel)`.
    pub fn new(weight: &Array, bias: Vec<f32>, stride: usize, padding: usize) -> Self {
        let [n_out, n_in, kernel] = [weight.shape[0], weight.shape[1], weight.shape[2]];
        let taps = kernel.div_ceil(stride);
        let matrix = PackedMatrix::new(n_out, n_in * stride * taps, |out, tap| {
            let (row, j) = (tap / taps, tap % taps);
            let k = j * stride + row % stride;
            let at = (out * n_in + row / stride) * kernel + k;
            if k < kernel { weight.values[at] } else { 0.0 }
        });
        Self { matrix, bias, taps, kernel, stride, padding }
    }

    /// Channels it takes.
    pub fn n_in(&self) -> usize {
        self.matrix.n_taps() / self.taps / self.stride
    }

    /// Memory of its weights.
    pub fn n_bytes(&self) -> u64 {
        self.matrix.n_bytes()
    }

    /// The convolution of `input`.
    ///
    /// # Panics
    /// If `input` has other channels than the weight.
    pub fn forward(&self, input: &Features) -> Features {
        assert_eq!(input.n_channels, self.n_in(), "a convolution was given the wrong channels");
        let heard = input.len + 2 * self.padding;
        if heard < self.kernel {
            return Features::zeros(self.matrix.n_out(), 0);
        }
        let len = (heard - self.kernel) / self.stride + 1;
        let stride = row_stride(len + self.taps - 1);
        let mut values = vec![0.0; self.n_in() * self.stride * stride + SLACK];
        for (row, phase_row) in values.chunks_exact_mut(stride).enumerate() {
            if row / self.stride >= input.n_channels {
                break;
            }
            let source = input.row(row / self.stride);
            // The first step of this phase that lies within the input.
            let phase = row % self.stride;
            let first = self.padding.saturating_sub(phase).div_ceil(self.stride);
            let begin = first * self.stride + phase - self.padding;
            let heard = source.iter().skip(begin).step_by(self.stride);
            for (value, &source) in phase_row.iter_mut().skip(first).zip(heard) {
                *value = source;
            }
        }
        let mut out = Features::from_rows(&self.bias, len);
        let source = Source { values: &values, stride, kernel: self.taps, dilation: 1 };
        multiply_add(&self.matrix, source, &mut out.values, len);
        out
    }
}

/// Transposed convolution: `len` inputs give `(len − 1)·stride + kernel − 2·padding` outputs.
#[derive(Debug, Clone)]
pub struct ConvTranspose1d {
    /// Row `out·stride + phase`, tap `in·taps + j`.
    matrix: PackedMatrix,
    bias: Vec<f32>,
    taps: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl ConvTranspose1d {
    /// From a weight `(in, out, kernel)`.
    pub fn new(weight: &Array, bias: Vec<f32>, stride: usize, padding: usize) -> Self {
        let [n_in, n_out, kernel] = [weight.shape[0], weight.shape[1], weight.shape[2]];
        let taps = kernel.div_ceil(stride);
        // Output `stride·t + phase` hears input `t − j` through the weight's tap `phase + stride·j`;
        // the inner loop walks forward in time, so the taps are turned round.
        let matrix = PackedMatrix::new(n_out * stride, n_in * taps, |row, tap| {
            let (out, phase) = (row / stride, row % stride);
            let (input, j) = (tap / taps, taps - 1 - tap % taps);
            let k = phase + stride * j;
            if k < kernel { weight.values[(input * n_out + out) * kernel + k] } else { 0.0 }
        });
        Self { matrix, bias, taps, kernel, stride, padding }
    }

    /// How many inputs on each side have a say in an output.
    pub fn reach(&self) -> usize {
        self.taps
    }

    /// Whether `n` inputs give exactly `n · stride` outputs.
    pub fn keeps_ratio(&self) -> bool {
        self.kernel - self.stride == 2 * self.padding
    }

    /// Outputs per input.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Channels it gives.
    pub fn n_out(&self) -> usize {
        self.bias.len()
    }

    /// Channels it takes.
    pub fn n_in(&self) -> usize {
        self.matrix.n_taps() / self.taps
    }

    /// Memory of its weights.
    pub fn n_bytes(&self) -> u64 {
        self.matrix.n_bytes()
    }

    /// The transposed convolution of `activation(input)`.
    ///
    /// # Panics
    /// If `input` has other channels than the weight.
    pub fn forward_activated(
        &self,
        input: &Features,
        activation: impl Fn(f32) -> f32 + Sync,
    ) -> Features {
        assert_eq!(input.n_channels, self.n_in(), "a convolution was given the wrong channels");
        if input.len == 0 {
            return Features::zeros(self.n_out(), 0);
        }
        let edge = self.taps - 1;
        let padded = pad(input, edge, edge, Padding::Zero, activation);
        let n_steps = input.len + edge;
        let source = Source {
            values: &padded.values,
            stride: padded.stride,
            kernel: self.taps,
            dilation: 1,
        };
        let mut phases = vec![0.0; self.matrix.n_out() * n_steps];
        multiply_add(&self.matrix, source, &mut phases, n_steps);

        let full = (input.len - 1) * self.stride + self.kernel;
        let len = full.saturating_sub(2 * self.padding);
        let mut out = Features::from_rows(&self.bias, len);
        for channel in 0..self.n_out() {
            let phases = &phases[channel * self.stride * n_steps..][..self.stride * n_steps];
            let row = out.row_mut(channel);
            for (phase, steps) in phases.chunks_exact(n_steps).enumerate() {
                // The first step of this phase that is not cut off with the padding.
                let skipped = self.padding.saturating_sub(phase).div_ceil(self.stride);
                let first = skipped * self.stride + phase - self.padding;
                let heard = row.iter_mut().skip(first).step_by(self.stride);
                for (value, &sum) in heard.zip(&steps[skipped..]) {
                    *value += sum;
                }
            }
        }
        out
    }
}

struct Padded {
    values: Vec<f32>,
    stride: usize,
}

fn pad(
    input: &Features,
    left: usize,
    right: usize,
    padding: Padding,
    activation: impl Fn(f32) -> f32 + Sync,
) -> Padded {
    let len = input.len;
    let stride = row_stride(left + len + right);
    let mut values = vec![0.0; input.n_channels * stride + SLACK];
    if len == 0 {
        return Padded { values, stride };
    }
    let pad_row = |row: &mut [f32], source: &[f32]| {
        for (value, &source) in row[left..left + len].iter_mut().zip(source) {
            *value = activation(source);
        }
        if padding == Padding::Reflect {
            for past in 1..=left {
                row[left - past] = activation(source[mirrored(-(past as isize), len)]);
            }
            for past in 0..right {
                row[left + len + past] = activation(source[mirrored((len + past) as isize, len)]);
            }
        }
    };
    let pool = pool();
    let n_parts = if input.values.len() < SMALL { 1 } else { PARTS_PER_THREAD * pool.n_threads() };
    let rows_per_part = input.n_channels.div_ceil(n_parts);
    let rows = &mut values[..input.n_channels * stride];
    let mut scratch = vec![(); pool.n_threads()];
    pool.each_part(rows, rows_per_part.max(1) * stride, &mut scratch, |part_idx, rows, ()| {
        let sources = input.values.chunks_exact(len).skip(part_idx * rows_per_part);
        for (row, source) in rows.chunks_exact_mut(stride).zip(sources) {
            pad_row(row, source);
        }
    });
    Padded { values, stride }
}

/// The index that reflection at the ends of `len` values gives for an index past them.
pub fn mirrored(at: isize, len: usize) -> usize {
    if len <= 1 {
        return 0;
    }
    let period = 2 * (len as isize - 1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|at| ((at * 37 + 11) % 23) as f32 / 23.0 - 0.5).collect();
        Array { shape: shape.to_vec(), values }
    }

    fn features(n_channels: usize, len: usize) -> Features {
        let values = (0..n_channels * len).map(|at| ((at * 29 + 5) % 17) as f32 / 17.0 - 0.4);
        Features { values: values.collect(), n_channels, len }
    }

    #[track_caller]
    fn check_close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (at, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() < 1e-5, "at {at}: {got}, expected {want}");
        }
    }

    #[track_caller]
    fn check(len: usize, kernel: usize, dilation: usize, padding: Padding) {
        let (weight, input) = (array(&[3, 2, kernel]), features(2, len));
        let conv = Conv1d::new(&weight, vec![0.1, 0.2, 0.3], dilation, padding);
        let mut expected = Vec::new();
        for out in 0..3 {
            for t in 0..len {
                let mut sum = conv.bias[out];
                for channel in 0..2 {
                    for k in 0..kernel {
                        let at = (t + k * dilation) as isize - conv.reach() as isize;
                        let heard = match padding {
                            Padding::Reflect => input.row(channel)[mirrored(at, len)],
                            Padding::Zero if (0..len as isize).contains(&at) => {
                                input.row(channel)[at as usize]
                            }
                            Padding::Zero => 0.0,
                        };
                        sum += weight.values[(out * 2 + channel) * kernel + k] * heard;
                    }
                }
                expected.push(sum);
            }
        }
        check_close(&conv.forward(&input).values, &expected);
    }

    #[test]
    fn convolution_equals_the_sum_written_out() {
        for padding in [Padding::Zero, Padding::Reflect] {
            for len in [1, 2, 3, 24, 41] {
                check(len, 1, 1, padding);
                check(len, 3, 1, padding);
                check(len, 7, 5, padding);
            }
        }
    }

    #[test]
    fn transposed_convolution_equals_scattered_inputs() {
        for (len, kernel, stride, padding) in
            [(5, 16, 8, 4), (1, 4, 2, 1), (7, 8, 4, 2), (3, 5, 2, 1), (4, 3, 3, 0), (6, 7, 3, 2)]
        {
            let (weight, input) = (array(&[2, 3, kernel]), features(2, len));
            let full = (len - 1) * stride + kernel;
            let mut expected = Vec::new();
            for out in 0..3 {
                let mut row = vec![0.5; full];
                for channel in 0..2 {
                    for t in 0..len {
                        for k in 0..kernel {
                            row[t * stride + k] += weight.values[(channel * 3 + out) * kernel + k]
                                * input.row(channel)[t];
                        }
                    }
                }
                expected.extend_from_slice(&row[padding..full - padding]);
            }
            let conv = ConvTranspose1d::new(&weight, vec![0.5; 3], stride, padding);
            check_close(&conv.forward_activated(&input, |value| value).values, &expected);
        }
    }

    #[test]
    fn reflection_leaves_the_end_value_single() {
        let mirrored: Vec<_> = (-3..6).map(|at| mirrored(at, 3)).collect();
        assert_eq!(mirrored, [1, 2, 1, 0, 1, 2, 1, 0, 1]);
    }

    #[test]
    fn an_even_kernel_hears_one_input_more_on_the_left() {
        let weight = Array { shape: vec![1, 1, 2], values: vec![10.0, 1.0] };
        let conv = Conv1d::new(&weight, vec![0.0], 1, Padding::Zero);
        let x = Features { values: vec![1.0, 2.0, 3.0], n_channels: 1, len: 3 };
        assert_eq!(conv.forward(&x).values, [1.0, 12.0, 23.0]);
    }

    #[test]
    fn a_strided_convolution_is_a_plain_one_with_outputs_left_out() {
        for (len, kernel, stride) in
            [(1, 3, 2), (2, 3, 2), (7, 3, 2), (40, 3, 2), (41, 5, 2), (30, 5, 3), (9, 1, 2)]
        {
            let (weight, x) = (array(&[3, 2, kernel]), features(2, len));
            let bias = vec![0.1, 0.2, 0.3];
            let whole = Conv1d::new(&weight, bias.clone(), 1, Padding::Zero).forward(&x);
            let kept: Vec<usize> = (0..len).step_by(stride).collect();
            let strided = StridedConv1d::new(&weight, bias, stride, kernel / 2).forward(&x);
            check_close(&strided.values, &whole.select(&kept).values);
        }
    }
}
