//! Two-dimensional convolution of three by three, as pictures of sound are read.
//!
//! A plane with a border of zeros is one long row; a step down the picture is then a dilation of a
//! one-dimensional convolution, and a step to the side where that begins. So three calls of the
//! packed product make one convolution.

use super::{
    matmul::{PackedMatrix, SLACK, Source, multiply_add, row_stride},
    weights::{Scope, WeightsError},
};

/// The side of the kernel.
const SIDE: usize = 3;
/// Rows that are made at a time, so that what they need of all channels stays in the cache.
const BAND: usize = 4;

/// Planes of `height` rows of `width` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// `(n_channels, height, width)`, row-major.
    pub values: Vec<f32>,
    /// Planes.
    pub n_channels: usize,
    /// Rows.
    pub height: usize,
    /// Values of a row.
    pub width: usize,
}

impl Planes {
    /// One channel.
    fn plane(&self, channel: usize) -> &[f32] {
        let n = self.height * self.width;
        &self.values[channel * n..(channel + 1) * n]
    }

    /// The greatest of every two by two; a row or column left over at the end is dropped.
    #[must_use]
    pub fn max_pool(&self) -> Self {
        let (height, width) = (self.height / 2, self.width / 2);
        let mut values = Vec::with_capacity(self.n_channels * height * width);
        for channel in 0..self.n_channels {
            let plane = self.plane(channel);
            for y in 0..height {
                let (upper, lower) =
                    (&plane[2 * y * self.width..], &plane[(2 * y + 1) * self.width..]);
                let four = |x: usize| upper[x].max(upper[x + 1]).max(lower[x].max(lower[x + 1]));
                values.extend((0..width).map(|x| four(2 * x)));
            }
        }
        Self { values, n_channels: self.n_channels, height, width }
    }

    /// The greatest value of each plane.
    pub fn maxima(&self) -> Vec<f32> {
        let greatest =
            |channel| self.plane(channel).iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        (0..self.n_channels).map(greatest).collect()
    }
}

/// A convolution of three by three with zeros around, followed by a rectifier.
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// One for each column of the kernel; tap `in · 3 + row`.
    columns: [PackedMatrix; SIDE],
    bias: Vec<f32>,
    n_in: usize,
}

impl Conv2d {
    /// Reads the layer `name`, whose weight is `(out, n_in, 3, 3)`.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load(scope: &Scope<'_>, name: &str, n_in: usize) -> Result<Self, WeightsError> {
        let shape = [None, Some(n_in), Some(SIDE), Some(SIDE)];
        let weight = scope.shaped(&format!("{name}.weight"), &shape)?;
        let n_out = weight.shape[0];
        let columns = std::array::from_fn(|x| {
            PackedMatrix::new(n_out, n_in * SIDE, |out, tap| {
                weight.values[(out * n_in * SIDE + tap) * SIDE + x]
            })
        });
        Ok(Self { columns, bias: scope.vector(&format!("{name}.bias"), n_out)?, n_in })
    }

    /// Channels it gives.
    pub fn n_out(&self) -> usize {
        self.bias.len()
    }

    /// The convolution of `input`, without what lies below zero.
    ///
    /// # Panics
    /// If `input` has other channels than the weight.
    pub fn forward(&self, input: &Planes) -> Planes {
        assert_eq!(input.n_channels, self.n_in, "a convolution was given the wrong channels");
        let (n_out, height, width) = (self.n_out(), input.height, input.width);
        let padded_width = width + 2;
        let stride = row_stride((BAND + 2) * padded_width);
        let mut values = vec![0.0; self.n_in * stride + SLACK + SIDE];
        let mut sums = Vec::new();
        let mut out = vec![0.0; n_out * height * width];
        for top in (0..height).step_by(BAND) {
            let n_rows = BAND.min(height - top);
            for channel in 0..self.n_in {
                let (band, plane) = (&mut values[channel * stride..], input.plane(channel));
                for row in 0..n_rows + 2 {
                    let place = &mut band[row * padded_width + 1..][..width];
                    match (top + row).checked_sub(1).filter(|&y| y < height) {
                        Some(y) => place.copy_from_slice(&plane[y * width..][..width]),
                        None => place.fill(0.0),
                    }
                }
            }
            // Two values at the end of each row are sums across the border, and dropped below.
            let len = n_rows * padded_width;
            sums.clear();
            sums.resize(n_out * len, 0.0);
            for (x, matrix) in self.columns.iter().enumerate() {
                let source =
                    Source { values: &values[x..], stride, kernel: SIDE, dilation: padded_width };
                multiply_add(matrix, source, &mut sums, len);
            }
            for (channel, (sums, &bias)) in sums.chunks_exact(len).zip(&self.bias).enumerate() {
                for (row, sums) in sums.chunks_exact(padded_width).enumerate() {
                    let place = &mut out[(channel * height + top + row) * width..][..width];
                    for (value, sum) in place.iter_mut().zip(sums) {
                        *value = (sum + bias).max(0.0);
                    }
                }
            }
        }
        Planes { values: out, n_channels: self.n_out(), height, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Array, Weights};

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|at| ((at * 31 + seed * 17 + 7) % 23) as f32 / 11.0 - 1.0).collect()
    }

    #[test]
    fn equals_the_sum_written_out() {
        // Two bands, of which the second is not full.
        let (n_in, n_out, height, width) = (3, 5, 6, 7);
        let weight = Array { shape: vec![n_out, n_in, 3, 3], values: noise(n_out * n_in * 9, 1) };
        let bias = Array { shape: vec![n_out], values: noise(n_out, 2) };
        let tensors = [("c.weight", weight.clone()), ("c.bias", bias.clone())];
        let weights = Weights::from_arrays(tensors.map(|(name, array)| (name.to_owned(), array)));
        let conv = Conv2d::load(&weights.scope(""), "c", n_in).unwrap();
        let input =
            Planes { values: noise(n_in * height * width, 3), n_channels: n_in, height, width };
        let got = conv.forward(&input);
        for out in 0..n_out {
            for y in 0..height {
                for x in 0..width {
                    let mut sum = bias.values[out];
                    for (channel, ky, kx) in
                        (0..n_in).flat_map(|c| (0..9).map(move |k| (c, k / 3, k % 3)))
                    {
                        let (from_y, from_x) = (y + ky, x + kx);
                        if (1..=height).contains(&from_y) && (1..=width).contains(&from_x) {
                            sum += weight.values[((out * n_in + channel) * 3 + ky) * 3 + kx]
                                * input.plane(channel)[(from_y - 1) * width + from_x - 1];
                        }
                    }
                    let value = got.plane(out)[y * width + x];
                    assert!((value - sum.max(0.0)).abs() < 1e-4, "{out} {y} {x}: {value}, {sum}");
                }
            }
        }
    }

    #[test]
    fn pooling_keeps_the_greatest_of_four() {
        let input = Planes {
            values: vec![1.0, 5.0, 9.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0],
            n_channels: 1,
            height: 3,
            width: 3,
        };
        assert_eq!(input.max_pool().values, [5.0]);
        assert_eq!(input.maxima(), [9.0]);
    }
}
