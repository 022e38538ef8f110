//! WaveNet as numbers in, numbers out: dilated convolutions that remember what they need.
//!
//! Sources: "WaveNet", <https://arxiv.org/abs/1609.03499>; one sample at a time with remembered inputs
//! as in "Fast WaveNet Generation Algorithm", <https://arxiv.org/abs/1611.09482>; a mixture of logistic
//! distributions as in "`PixelCNN++`", <https://arxiv.org/abs/1701.05517>; layout as in
//! `r9y9/wavenet_vocoder` at a35fff7.

use crate::nn::{
    Array, Conv1d, Features, Linear, Padding, Scope, Stepper, WeightsError, activation,
};

/// Taps of the dilated convolutions.
const KERNEL: usize = 3;

/// All layers.
#[derive(Debug)]
pub struct Network {
    upsampling: Upsampling,
    first: Linear,
    /// What all layers hear of the mel, one above the other.
    conditions: Conv1d,
    layers: Vec<Layer>,
    last: [Linear; 2],
    width: usize,
}

#[derive(Debug)]
struct Layer {
    /// `(2·inner, 3·width)`: the oldest input first.
    dilated: Linear,
    /// `(width + n_skip, inner)`: what goes on, above what goes out.
    out: Linear,
    dilation: usize,
    n_gates: usize,
}

/// What was heard before, as far as it still counts.
#[derive(Debug, Clone)]
pub struct Past {
    /// Of each layer a ring of its last inputs.
    rings: Vec<Vec<f32>>,
    n_steps: usize,
}

impl Network {
    /// Reads all layers; dilations begin again `n_stacks` times.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_stacks: usize) -> Result<Self, WeightsError> {
        let first = pointwise(scope, "first_conv", 1, None)?;
        let width = first.n_out();
        let n_layers = scope.count("conv_layers");
        if n_stacks == 0 || n_layers == 0 || !n_layers.is_multiple_of(n_stacks) {
            let expected = format!("{n_stacks} stacks of layers, found {n_layers} layers");
            return Err(scope.unexpected("conv_layers.0.conv.weight_v", expected));
        }
        let upsampling = Upsampling::load(&scope.scope("upsample_net"))?;
        let n_mels = upsampling.conv_in.n_out();
        let mut conditions = Array { shape: vec![0, n_mels], values: Vec::new() };
        let mut layers: Vec<Layer> = Vec::with_capacity(n_layers);
        let mut n_skip = None;
        for index in 0..n_layers {
            let scope = scope.scope(format!("conv_layers.{index}"));
            let dilated = scope.folded("conv", &[None, Some(width), Some(KERNEL)])?;
            let n_gates = dilated.shape[0];
            if !n_gates.is_multiple_of(2) {
                return Err(scope.unexpected("conv.weight_v", "an even number of gates"));
            }
            let bias = scope.bias("conv", n_gates)?;
            let condition = scope.folded("conv1x1c", &[Some(n_gates), Some(n_mels), Some(1)])?;
            conditions.shape[0] += n_gates;
            conditions.values.extend(condition.values);
            let inner = n_gates / 2;
            let on = scope.folded("conv1x1_out", &[Some(width), Some(inner), Some(1)])?;
            let skip = scope.folded("conv1x1_skip", &[n_skip, Some(inner), Some(1)])?;
            n_skip = Some(skip.shape[0]);
            let both = Array {
                shape: vec![width + skip.shape[0], inner],
                values: [on.values, skip.values].concat(),
            };
            let out_bias =
                [scope.bias("conv1x1_out", width)?, scope.bias("conv1x1_skip", skip.shape[0])?];
            layers.push(Layer {
                dilated: Linear::new(&scope, &taps_apart(&dilated), bias)?,
                out: Linear::new(&scope, &both, out_bias.concat())?,
                dilation: 1 << (index % (n_layers / n_stacks)),
                n_gates,
            });
        }
        let last = scope.scope("last_conv_layers");
        let hidden = pointwise(&last, "1", n_skip.unwrap_or(0), None)?;
        let params = pointwise(&last, "3", hidden.n_out(), None)?;
        if !params.n_out().is_multiple_of(3) {
            let expected = "three rows for each logistic distribution";
            return Err(last.unexpected("3.weight_v", expected));
        }
        let n_conditions = conditions.shape[0];
        Ok(Self {
            upsampling,
            first,
            conditions: Conv1d::new(&conditions, vec![0.0; n_conditions], 1, Padding::Zero),
            layers,
            last: [hidden, params],
            width,
        })
    }

    /// Bands of the mel it reads.
    pub fn n_mels(&self) -> usize {
        self.upsampling.conv_in.n_in()
    }

    /// Samples per frame.
    pub fn hop_length(&self) -> usize {
        self.upsampling.filters.iter().map(|filter| filter.len() / 2).product()
    }

    /// Frames beyond each end that are heard, too.
    pub fn frame_reach(&self) -> usize {
        self.upsampling.conv_in.reach()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| layer.dilated.n_bytes() + layer.out.n_bytes());
        self.conditions.n_bytes() + layers.sum::<u64>()
    }

    /// A mel with [`Network::frame_reach`] frames more on each side than are to be sounded, to a
    /// column for each sample.
    pub fn upsample(&self, mel: &Features) -> Features {
        self.upsampling.forward(mel)
    }

    /// What each layer hears of upsampled columns: a row for each gate of each layer.
    pub fn conditions(&self, upsampled: &Features) -> Features {
        self.conditions.forward(upsampled)
    }

    /// Before the first sample.
    pub fn begin(&self) -> Past {
        let ring = |layer: &Layer| vec![0.0; ((KERNEL - 1) * layer.dilation + 1) * self.width];
        Past { rings: self.layers.iter().map(ring).collect(), n_steps: 0 }
    }

    /// Hears one sample and says how the next one is distributed: logits, means and logarithms of
    /// scales of the mixture. `conditions` is one column of [`Network::conditions`].
    pub fn step(
        &self,
        stepper: &mut Stepper,
        past: &mut Past,
        sample: f32,
        conditions: &[f32],
    ) -> Vec<f32> {
        let (mut x, mut skipped) = (Vec::new(), Vec::new());
        self.first.apply(stepper, &[&[sample]], &mut x);
        let (mut gates, mut out) = (Vec::new(), Vec::new());
        let mut rest = conditions;
        for (layer, ring) in self.layers.iter().zip(&mut past.rings) {
            let (own, later) = rest.split_at(layer.n_gates);
            rest = later;
            let n_kept = (KERNEL - 1) * layer.dilation + 1;
            let slot = |ago: usize| {
                let at = (past.n_steps + n_kept - ago) % n_kept;
                at * self.width..(at + 1) * self.width
            };
            ring[slot(0)].copy_from_slice(&x);
            let heard = [&ring[slot(2 * layer.dilation)], &ring[slot(layer.dilation)], &x];
            layer.dilated.apply(stepper, &heard, &mut gates);
            for (gate, condition) in gates.iter_mut().zip(own) {
                *gate += condition;
            }
            let (inner, gate) = gates.split_at_mut(layer.n_gates / 2);
            activation::tanh(inner);
            activation::sigmoid(gate);
            for (value, gate) in inner.iter_mut().zip(gate) {
                *value *= *gate;
            }
            layer.out.apply(stepper, &[inner], &mut out);
            let (on, skip) = out.split_at(self.width);
            for (x, on) in x.iter_mut().zip(on) {
                *x = (*x + on) * std::f32::consts::FRAC_1_SQRT_2;
            }
            skipped.resize(skip.len(), 0.0);
            for (sum, skip) in skipped.iter_mut().zip(skip) {
                *sum += skip;
            }
        }
        past.n_steps += 1;
        let scale = (1.0 / self.layers.len() as f32).sqrt();
        for value in &mut skipped {
            *value = (*value * scale).max(0.0);
        }
        let mut params = Vec::new();
        self.last[0].apply(stepper, &[&skipped], &mut x);
        activation::relu(&mut x);
        self.last[1].apply(stepper, &[&x], &mut params);
        params
    }

    /// Draws a sample from what [`Network::step`] said: which distribution, by one uniform number
    /// each; and where in it, by one more. All lie between zero and one. `temperature` is a factor
    /// on the scales.
    pub fn draw(params: &[f32], temperature: f32, which: &[f32], place: f32) -> f32 {
        let n = params.len() / 3;
        let noisy = |at: usize| params[at] - (-which[at].ln()).ln();
        let chosen = (0..n).max_by(|&a, &b| noisy(a).total_cmp(&noisy(b))).unwrap_or(0);
        let (mean, log_scale) = (params[n + chosen], params[2 * n + chosen]);
        let scale = temperature * log_scale.exp();
        (mean + scale * (place.ln() - (1.0 - place).ln())).clamp(-1.0, 1.0)
    }
}

/// Frames to samples: each band is repeated, then smoothed, some times over.
#[derive(Debug)]
struct Upsampling {
    conv_in: Conv1d,
    /// Of a stage that makes `s` steps of one, `2·s + 1` values.
    filters: Vec<Vec<f32>>,
}

impl Upsampling {
    fn load(scope: &Scope<'_>) -> Result<Self, WeightsError> {
        let weight = scope.folded("conv_in", &[None, None, None])?;
        let n_out = weight.shape[0];
        if weight.shape[1] != n_out || weight.shape[2].is_multiple_of(2) {
            let expected = "as many outputs as inputs and an odd kernel";
            return Err(scope.unexpected("conv_in.weight", expected));
        }
        let filters = (1..64)
            .step_by(2)
            .map(|index| format!("upsample.up_layers.{index}"))
            .take_while(|name| scope.contains(name))
            .map(|name| {
                let filter = scope.folded(&name, &[Some(1), Some(1), Some(1), None])?;
                if filter.values.len() < 3 || filter.values.len().is_multiple_of(2) {
                    let expected = "an odd number of taps, at least three";
                    return Err(scope.unexpected(&format!("{name}.weight_v"), expected));
                }
                Ok(filter.values)
            })
            .collect::<Result<_, WeightsError>>()?;
        let conv_in = Conv1d::new(&weight, scope.bias("conv_in", n_out)?, 1, Padding::Zero);
        Ok(Self { conv_in, filters })
    }

    fn forward(&self, mel: &Features) -> Features {
        let reach = self.conv_in.reach();
        let inside: Vec<usize> = (reach..mel.len.saturating_sub(reach)).collect();
        let mut x = self.conv_in.forward(mel).select(&inside);
        for filter in &self.filters {
            let scale = filter.len() / 2;
            let mut longer = Features::zeros(x.n_channels, x.len * scale);
            for channel in 0..x.n_channels {
                let source = x.row(channel);
                for (at, value) in longer.row_mut(channel).iter_mut().enumerate() {
                    // Zeros past both ends, where a tap's place is counted from one filter's half.
                    *value = filter
                        .iter()
                        .enumerate()
                        .filter_map(|(k, tap)| {
                            let place = (at + k).checked_sub(scale)?;
                            Some(tap * source.get(place / scale)?)
                        })
                        .sum();
                }
            }
            x = longer;
        }
        x
    }
}

/// A convolution of kernel one as a layer for single columns.
fn pointwise(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: Option<usize>,
) -> Result<Linear, WeightsError> {
    let mut weight = scope.folded(name, &[n_out, Some(n_in), Some(1)])?;
    weight.shape.truncate(2);
    let bias = scope.bias(name, weight.shape[0])?;
    Linear::new(scope, &weight, bias)
}

/// `(n_out, n_in, taps)` to `(n_out, taps · n_in)`: all inputs of the first tap first.
fn taps_apart(weight: &Array) -> Array {
    let [n_out, n_in, taps] = [weight.shape[0], weight.shape[1], weight.shape[2]];
    let value = |at: usize| {
        let (out, rest) = (at / (taps * n_in), at % (taps * n_in));
        weight.values[(out * n_in + rest % n_in) * taps + rest / n_in]
    };
    Array { shape: vec![n_out, taps * n_in], values: (0..n_out * taps * n_in).map(value).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_temperature_draws_nearer_to_the_mean() {
        // Two distributions of equal share, at 0.2 and -0.2, with scales of a tenth.
        let params = [0.0, 0.0, 0.2, -0.2, 0.1_f32.ln(), 0.1_f32.ln()];
        let far = |temperature| Network::draw(&params, temperature, &[0.9, 0.1], 0.8) - 0.2;
        assert!(far(1.0) > 0.1, "{}", far(1.0));
        assert!((far(0.5) - 0.5 * far(1.0)).abs() < 1e-6);
        // Which distribution it is does not depend on it.
        let other = Network::draw(&params, 0.5, &[0.1, 0.9], 0.5);
        assert!((other + 0.2).abs() < 1e-6, "{other}");
    }
}
