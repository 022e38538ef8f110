//! How many frames each symbol takes: predicted, or drawn from what is likely.
//!
//! Sources: the predictor of Matcha-TTS and Glow-TTS, `models/components/text_encoder.py` of
//! matcha-tts 0.0.7; the stochastic one of "VITS", <https://arxiv.org/abs/2106.06103> §2.2.2, in the
//! layout of jaywalnut310/vits `models.py`, of which only sampling is needed: its flows run
//! backwards from noise to durations.

use crate::{
    nn::{Array, Conv1d, Features, LayerNorm, Scope, WeightsError, activation},
    tts::acoustic::matcha::{
        encoder::{channel_norm, conv},
        spline::{N_BINS, Spline},
    },
};

/// What is added to variances in the stochastic predictor's norms.
const EPS: f32 = 1e-5;
/// Taps of the depthwise convolutions; also how much wider each hears than the one before.
const DEPTHWISE_KERNEL: usize = 3;

/// Frames that one symbol may take, so that damaged weights cannot ask for all memory.
const MAX_SYMBOL_FRAMES: f32 = 2000.0;

/// How a predicted duration becomes whole frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Up, as the published voices need it.
    #[default]
    Ceil,
    /// To the nearest whole number, at least one.
    Nearest,
}

impl Rounding {
    /// Whole frames of a predicted logarithm; the length scale is for later.
    pub fn frames(self, log_duration: f32) -> f32 {
        let frames = log_duration.exp();
        let whole = match self {
            Self::Ceil => frames.ceil(),
            Self::Nearest => frames.round().max(1.0),
        };
        // What is not a number takes no time.
        if whole.is_nan() { 0.0 } else { whole.min(MAX_SYMBOL_FRAMES) }
    }
}

/// Either kind.
#[derive(Debug, Clone)]
pub enum Durations {
    /// One number for each symbol.
    Deterministic(Predictor),
    /// A draw for each symbol.
    Stochastic(StochasticDurations),
}

impl Durations {
    /// Reads whichever kind is there, over inputs of `width` channels.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        Ok(if scope.contains("flows") {
            Self::Stochastic(StochasticDurations::load(scope, width)?)
        } else {
            Self::Deterministic(Predictor::load(scope, width)?)
        })
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        match self {
            Self::Deterministic(predictor) => {
                predictor.layers.iter().map(|(conv, _)| conv.n_bytes()).sum()
            }
            Self::Stochastic(stochastic) => {
                stochastic.flows.iter().map(|flow| flow.inner.n_bytes()).sum::<u64>()
                    + stochastic.inner.n_bytes()
            }
        }
    }
}

/// Twice convolution, `ReLU`, norm; then one number.
#[derive(Debug, Clone)]
pub struct Predictor {
    layers: Vec<(Conv1d, LayerNorm)>,
    proj: Conv1d,
}

impl Predictor {
    fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        let mut width = width;
        let layers = [1, 2].map(|index| {
            let conv = conv(scope, &format!("conv_{index}"), width, None)?;
            width = conv.n_out();
            let norm = channel_norm(&scope.scope(format!("norm_{index}")), width)?;
            Ok((conv, norm))
        });
        let layers = layers.into_iter().collect::<Result<_, WeightsError>>()?;
        Ok(Self { layers, proj: conv(scope, "proj", width, Some(1))? })
    }

    /// `(width, n_symbols)` to the logarithm of each symbol's frames.
    pub fn forward(&self, x: &Features) -> Vec<f32> {
        let mut hidden = x.clone();
        for (conv, norm) in &self.layers {
            hidden = conv.forward(&hidden);
            activation::relu(&mut hidden.values);
            hidden = norm.forward(&hidden);
        }
        self.proj.forward(&hidden).values
    }
}

/// Durations drawn by way of flows.
#[derive(Debug, Clone)]
pub struct StochasticDurations {
    pre: Conv1d,
    inner: Separable,
    proj: Conv1d,
    /// In the order of sampling.
    flows: Vec<Coupling>,
    /// Means and logarithms of deviations of the last, affine step.
    affine: [[f32; 2]; 2],
}

impl StochasticDurations {
    /// Reads the predictor over inputs of `width` channels.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        let pre = conv(scope, "pre", width, None)?;
        let inner_width = pre.n_out();
        // Flows with parameters have odd numbers; the one after the affine step is not sampled.
        let n = (1..64).step_by(2).take_while(|n| scope.contains(&format!("flows.{n}"))).count();
        let flows = (1..n)
            .rev()
            .map(|index| {
                Coupling::load(&scope.scope(format!("flows.{}", 2 * index + 1)), inner_width)
            })
            .collect::<Result<_, _>>()?;
        let pair = |name: &str| -> Result<[f32; 2], WeightsError> {
            let values = &scope.shaped(name, &[Some(2), Some(1)])?.values;
            Ok([values[0], values[1]])
        };
        Ok(Self {
            inner: Separable::load(&scope.scope("convs"), inner_width)?,
            proj: conv(scope, "proj", inner_width, Some(inner_width))?,
            pre,
            flows,
            affine: [pair("flows.0.m")?, pair("flows.0.logs")?],
        })
    }

    /// `(width, n_symbols)` and normal noise `(2, n_symbols)`, already scaled, to the logarithm of
    /// each symbol's frames.
    ///
    /// # Panics
    /// If the noise is of another length.
    pub fn forward(&self, x: &Features, noise: &Features) -> Vec<f32> {
        assert_eq!(
            (noise.n_channels, noise.len),
            (2, x.len),
            "two values of noise for each symbol"
        );
        let condition = self.proj.forward(&self.inner.forward(self.pre.forward(x)));
        let mut rows = [noise.row(0).to_vec(), noise.row(1).to_vec()];
        for flow in &self.flows {
            rows.swap(0, 1);
            let [given, moved] = &mut rows;
            flow.move_back(given, moved, &condition);
        }
        rows.swap(0, 1);
        let [means, log_deviations] = self.affine;
        rows[0].iter().map(|value| (value - means[0]) * (-log_deviations[0]).exp()).collect()
    }
}

/// One row decides how the other is bent.
#[derive(Debug, Clone)]
struct Coupling {
    pre: Conv1d,
    inner: Separable,
    proj: Conv1d,
}

impl Coupling {
    fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        Ok(Self {
            pre: conv(scope, "pre", 1, Some(width))?,
            inner: Separable::load(&scope.scope("convs"), width)?,
            proj: conv(scope, "proj", width, Some(3 * N_BINS - 1))?,
        })
    }

    fn move_back(&self, given: &[f32], moved: &mut [f32], condition: &Features) {
        let row = Features { values: given.to_vec(), n_channels: 1, len: given.len() };
        let mut hidden = self.pre.forward(&row);
        hidden.add(condition);
        let shapes = self.proj.forward(&self.inner.forward(hidden)).to_columns();
        let scale = 1.0 / (condition.n_channels as f32).sqrt();
        for (value, shape) in moved.iter_mut().zip(shapes.chunks_exact(3 * N_BINS - 1)) {
            let (widths, rest) = shape.split_at(N_BINS);
            let (heights, slopes) = rest.split_at(N_BINS);
            let scaled = |values: &[f32]| std::array::from_fn(|bin| values[bin] * scale);
            *value = Spline::new(scaled(widths), scaled(heights), slopes).inverse(*value);
        }
    }
}

/// Residual layers that hear in time channel by channel, then mix the channels.
#[derive(Debug, Clone)]
struct Separable {
    layers: Vec<SeparableLayer>,
}

#[derive(Debug, Clone)]
struct SeparableLayer {
    depthwise: Array,
    depthwise_bias: Vec<f32>,
    dilation: usize,
    pointwise: Conv1d,
    norms: [LayerNorm; 2],
}

impl Separable {
    fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        let layers = (0..scope.count("convs_sep"))
            .map(|index| {
                let name = format!("convs_sep.{index}");
                let shape = [Some(width), Some(1), Some(DEPTHWISE_KERNEL)];
                let norm = |n: usize| -> Result<LayerNorm, WeightsError> {
                    let norm = channel_norm(&scope.scope(format!("norms_{n}.{index}")), width)?;
                    Ok(LayerNorm { eps: EPS, ..norm })
                };
                Ok(SeparableLayer {
                    depthwise: scope.folded(&name, &shape)?,
                    depthwise_bias: scope.bias(&name, width)?,
                    dilation: DEPTHWISE_KERNEL.pow(index as u32),
                    pointwise: conv(scope, &format!("convs_1x1.{index}"), width, Some(width))?,
                    norms: [norm(1)?, norm(2)?],
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { layers })
    }

    fn n_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.pointwise.n_bytes()).sum()
    }

    fn forward(&self, mut x: Features) -> Features {
        for layer in &self.layers {
            let mut hidden = layer.norms[0].forward(&layer.in_time(&x));
            activation::gelu(&mut hidden.values);
            let mut hidden = layer.norms[1].forward(&layer.pointwise.forward(&hidden));
            activation::gelu(&mut hidden.values);
            x.add(&hidden);
        }
        x
    }
}

impl SeparableLayer {
    /// Each channel by itself, zeros past the ends.
    fn in_time(&self, x: &Features) -> Features {
        let mut out = Features::from_rows(&self.depthwise_bias, x.len);
        for channel in 0..x.n_channels {
            let source = x.row(channel);
            let taps = &self.depthwise.values[channel * DEPTHWISE_KERNEL..][..DEPTHWISE_KERNEL];
            let row = out.row_mut(channel);
            for (k, tap) in taps.iter().enumerate() {
                let shift = (k as isize - 1) * self.dilation as isize;
                for (at, value) in row.iter_mut().enumerate() {
                    let heard = at.checked_add_signed(shift).and_then(|at| source.get(at));
                    *value += tap * heard.copied().unwrap_or(0.0);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_frames() {
        let log_of = f32::ln;
        assert_eq!(Rounding::Ceil.frames(log_of(2.01)), 3.0);
        assert_eq!(Rounding::Nearest.frames(log_of(2.01)), 2.0);
        assert_eq!(Rounding::Ceil.frames(-20.0), 1.0);
        assert_eq!(Rounding::Nearest.frames(-20.0), 1.0);
        assert_eq!(Rounding::Ceil.frames(f32::NAN), 0.0);
        assert_eq!(Rounding::Ceil.frames(80.0), MAX_SYMBOL_FRAMES);
    }
}
