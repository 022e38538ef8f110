//! Layer normalization over the channels of each time step.
//!
//! Source: "Layer Normalization", <https://arxiv.org/abs/1607.06450>; `torch.nn.LayerNorm`.

use super::features::Features;

/// `(x − mean) / sqrt(var + eps) · scale + shift`, with one scale and shift per channel.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// One factor per channel.
    pub scale: Vec<f32>,
    /// One addend per channel.
    pub shift: Vec<f32>,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    /// Normalizes each column of `x`.
    pub fn forward(&self, x: &Features) -> Features {
        let n = x.n_channels as f32;
        let mut mean = vec![0.0; x.len];
        for channel in 0..x.n_channels {
            for (sum, &value) in mean.iter_mut().zip(x.row(channel)) {
                *sum += value;
            }
        }
        for sum in &mut mean {
            *sum /= n;
        }
        let mut deviation = vec![0.0; x.len];
        for channel in 0..x.n_channels {
            for ((sum, &value), &mean) in deviation.iter_mut().zip(x.row(channel)).zip(&mean) {
                *sum += (value - mean) * (value - mean);
            }
        }
        let factor: Vec<f32> =
            deviation.iter().map(|sum| 1.0 / (sum / n + self.eps).sqrt()).collect();
        let mut out = x.clone();
        for (channel, (&scale, &shift)) in self.scale.iter().zip(&self.shift).enumerate() {
            let row = out.row_mut(channel).iter_mut();
            for ((value, &mean), &factor) in row.zip(&mean).zip(&factor) {
                *value = (*value - mean) * factor * scale + shift;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_gets_mean_zero_and_variance_one() {
        let x = Features { values: vec![1.0, 10.0, 2.0, 20.0, 3.0, 60.0], n_channels: 3, len: 2 };
        let norm = LayerNorm { scale: vec![1.0; 3], shift: vec![0.0; 3], eps: 1e-5 };
        let y = norm.forward(&x);
        for column in y.to_columns().chunks(3) {
            let mean: f32 = column.iter().sum::<f32>() / 3.0;
            let var: f32 = column.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 3.0;
            assert!(mean.abs() < 1e-6 && (var - 1.0).abs() < 1e-3, "{mean} {var}");
        }
    }
}
