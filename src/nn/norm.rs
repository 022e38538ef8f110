//! Normalization: over the channels of each time step, over groups of channels, and by what was
//! seen in training.
//!
//! Sources: "Layer Normalization", <https://arxiv.org/abs/1607.06450>; "Group Normalization",
//! <https://arxiv.org/abs/1803.08494>; "Batch Normalization", <https://arxiv.org/abs/1502.03167>;
//! parameters as in `torch.nn`.

use super::{
    features::Features,
    weights::{Array, Scope, WeightsError},
};

/// What torch adds to variances in `GroupNorm` and `BatchNorm1d` unless told otherwise.
const EPS: f32 = 1e-5;

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

/// Normalizes groups of channels over all their time steps.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    n_groups: usize,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl GroupNorm {
    /// Reads `weight` and `bias` of `n_channels` values each.
    ///
    /// # Errors
    /// If one is missing or has another length, or the groups do not divide the channels.
    pub fn load(
        scope: &Scope<'_>,
        n_groups: usize,
        n_channels: usize,
    ) -> Result<Self, WeightsError> {
        let (scale, shift) =
            (scope.vector("weight", n_channels)?, scope.vector("bias", n_channels)?);
        if !n_channels.is_multiple_of(n_groups) {
            let expected = format!("as many channels as {n_groups} groups divide");
            return Err(scope.unexpected("weight", expected));
        }
        Ok(Self { n_groups, scale, shift })
    }

    /// Normalizes each group of `x` in place.
    pub fn apply(&self, x: &mut Features) {
        let per_group = x.n_channels / self.n_groups;
        let n = (per_group * x.len) as f64;
        for group in 0..self.n_groups {
            let values = x.rows(group * per_group..(group + 1) * per_group);
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
            let square = |&value: &f32| (f64::from(value) - mean).powi(2);
            let variance = values.iter().map(square).sum::<f64>() / n;
            let factor = 1.0 / (variance as f32 + EPS).sqrt();
            for channel in group * per_group..(group + 1) * per_group {
                let scale = self.scale[channel] * factor;
                let shift = self.shift[channel] - mean as f32 * scale;
                for value in x.row_mut(channel) {
                    *value = *value * scale + shift;
                }
            }
        }
    }
}

/// Batch normalization as it is after training: a factor and an addend for each channel.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl BatchNorm {
    /// Reads `weight`, `bias`, `running_mean` and `running_var` of `n_channels` values each.
    ///
    /// # Errors
    /// If one is missing or has another length, or a variance is below zero.
    pub fn load(scope: &Scope<'_>, n_channels: usize) -> Result<Self, WeightsError> {
        let vector = |name| scope.vector(name, n_channels);
        let (weight, bias) = (vector("weight")?, vector("bias")?);
        let (mean, variance) = (vector("running_mean")?, vector("running_var")?);
        if variance.iter().any(|&variance| variance < 0.0) {
            return Err(scope.unexpected("running_var", "variances, none below zero"));
        }
        let scale: Vec<f32> = weight
            .iter()
            .zip(&variance)
            .map(|(&weight, &variance)| {
                (f64::from(weight) / (f64::from(variance) + f64::from(EPS)).sqrt()) as f32
            })
            .collect();
        let shift = bias
            .iter()
            .zip(mean.iter().zip(&scale))
            .map(|(bias, (mean, scale))| bias - mean * scale);
        Ok(Self { shift: shift.collect(), scale })
    }

    /// Normalizes `x` in place.
    pub fn apply(&self, x: &mut Features) {
        for (channel, (&scale, &shift)) in self.scale.iter().zip(&self.shift).enumerate() {
            for value in x.row_mut(channel) {
                *value = *value * scale + shift;
            }
        }
    }

    /// Makes it part of the convolution or linear layer before it, which then needs no norm.
    pub fn fold_into(&self, weight: &mut Array, bias: &mut [f32]) {
        let each = weight.values.len() / self.scale.len().max(1);
        let rows = weight.values.chunks_exact_mut(each.max(1)).zip(bias);
        for ((row, bias), (&scale, &shift)) in rows.zip(self.scale.iter().zip(&self.shift)) {
            for value in row {
                *value *= scale;
            }
            *bias = *bias * scale + shift;
        }
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
            check_normal(column);
        }
    }

    #[track_caller]
    fn check_normal(values: &[f32]) {
        let n = values.len() as f32;
        let mean: f32 = values.iter().sum::<f32>() / n;
        let var: f32 = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!(mean.abs() < 1e-6 && (var - 1.0).abs() < 1e-3, "{mean} {var}");
    }

    #[test]
    fn each_group_gets_mean_zero_and_variance_one() {
        let values = (0..12).map(|at| (at * at % 7) as f32 * 3.0 + at as f32);
        let mut x = Features { values: values.collect(), n_channels: 4, len: 3 };
        let norm = GroupNorm { n_groups: 2, scale: vec![1.0; 4], shift: vec![0.0; 4] };
        norm.apply(&mut x);
        check_normal(x.rows(0..2));
        check_normal(x.rows(2..4));
    }

    #[test]
    fn a_folded_norm_gives_what_the_norm_gives() {
        let norm = BatchNorm { scale: vec![2.0, -0.5], shift: vec![0.1, 0.2] };
        let (weights, bias) = ([1.0, 2.0, 3.0, 4.0], [0.3, 0.4]);
        let input = [5.0, -6.0];
        let affine = |weights: &[f32], bias: &[f32]| -> Vec<f32> {
            let dot = |row: &[f32]| row[0] * input[0] + row[1] * input[1];
            weights.chunks(2).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
        };
        let mut expected = Features { values: affine(&weights, &bias), n_channels: 2, len: 1 };
        norm.apply(&mut expected);
        let mut weight = Array { shape: vec![2, 2], values: weights.to_vec() };
        let mut folded = bias;
        norm.fold_into(&mut weight, &mut folded);
        for (got, want) in affine(&weight.values, &folded).iter().zip(&expected.values) {
            assert!((got - want).abs() < 1e-5, "{got}, expected {want}");
        }
    }
}
