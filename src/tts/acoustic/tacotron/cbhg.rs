//! A bank of convolutions, highway layers and a recurrent layer from both ends: what Tacotron hears
//! text and mels with.
//!
//! Source: "Tacotron", <https://arxiv.org/abs/1703.10135> §3.1; layout as in
//! `r9y9/tacotron_pytorch` `tacotron.py`: `ReLU` before the norm, an even kernel hears one step more
//! before than after, and each step takes the greater of itself and the one before.

use crate::nn::{
    Array, BatchNorm, Bidirectional, Conv1d, Features, Padding, Scope, Stepper, WeightsError,
    activation,
};

/// All layers.
#[derive(Debug)]
pub struct Cbhg {
    bank: Vec<(Conv1d, BatchNorm)>,
    projections: Vec<(Conv1d, BatchNorm)>,
    /// Only where the projections end with another width than the input.
    widening: Option<Conv1d>,
    highways: Vec<Conv1d>,
    gru: Bidirectional,
}

impl Cbhg {
    /// Reads all layers over `n_in` channels.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        let bank = (0..scope.count("conv1d_banks"))
            .map(|index| normed(&scope.scope(format!("conv1d_banks.{index}")), n_in))
            .collect::<Result<Vec<_>, _>>()?;
        let mut width = bank.iter().map(|(conv, _)| conv.n_out()).sum();
        let projections = (0..scope.count("conv1d_projections"))
            .map(|index| {
                let layer = normed(&scope.scope(format!("conv1d_projections.{index}")), width)?;
                width = layer.0.n_out();
                Ok(layer)
            })
            .collect::<Result<_, WeightsError>>()?;
        let widening =
            (width != n_in).then(|| dense(scope, "pre_highway", width, Some(n_in))).transpose()?;
        let highways = (0..scope.count("highways"))
            .map(|index| highway(&scope.scope(format!("highways.{index}")), n_in))
            .collect::<Result<_, _>>()?;
        let gru = Bidirectional::gru(&scope.scope("gru"), n_in)?;
        Ok(Self { bank, projections, widening, highways, gru })
    }

    /// Channels it gives.
    pub fn n_out(&self) -> usize {
        self.gru.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let convs = self.bank.iter().chain(&self.projections).map(|(conv, _)| conv);
        convs.chain(&self.highways).map(Conv1d::n_bytes).sum::<u64>() + self.gru.n_bytes()
    }

    /// `(n_in, len)` to `(n_out, len)`.
    pub fn forward(&self, stepper: &mut Stepper, x: &Features) -> Features {
        let mut values = Vec::new();
        for (conv, norm) in &self.bank {
            let mut hidden = conv.forward(x);
            activation::relu(&mut hidden.values);
            norm.apply(&mut hidden);
            values.extend(hidden.values);
        }
        let n_channels = values.len() / x.len.max(1);
        let mut hidden = Features { values, n_channels, len: x.len };
        for channel in 0..hidden.n_channels {
            let row = hidden.row_mut(channel);
            for at in (1..row.len()).rev() {
                row[at] = row[at].max(row[at - 1]);
            }
        }
        for (index, (conv, norm)) in self.projections.iter().enumerate() {
            hidden = conv.forward(&hidden);
            if index + 1 < self.projections.len() {
                activation::relu(&mut hidden.values);
            }
            norm.apply(&mut hidden);
        }
        if let Some(widening) = &self.widening {
            hidden = widening.forward(&hidden);
        }
        hidden.add(x);
        for highway in &self.highways {
            let both = highway.forward(&hidden);
            let (changed, gate) = both.values.split_at(hidden.values.len());
            let (mut changed, mut gate) = (changed.to_vec(), gate.to_vec());
            activation::relu(&mut changed);
            activation::sigmoid(&mut gate);
            for ((value, changed), gate) in hidden.values.iter_mut().zip(changed).zip(gate) {
                *value = changed * gate + *value * (1.0 - gate);
            }
        }
        self.gru.forward(stepper, &hidden)
    }
}

/// A convolution and the norm that stands behind its `ReLU`.
fn normed(scope: &Scope<'_>, n_in: usize) -> Result<(Conv1d, BatchNorm), WeightsError> {
    let weight = scope.folded("conv1d", &[None, Some(n_in), None])?;
    let n_out = weight.shape[0];
    let conv = Conv1d::new(&weight, scope.bias("conv1d", n_out)?, 1, Padding::Zero);
    Ok((conv, BatchNorm::load(&scope.scope("bn"), n_out)?))
}

/// What to change and how much of it, in one product.
fn highway(scope: &Scope<'_>, width: usize) -> Result<Conv1d, WeightsError> {
    let mut weight = Array { shape: vec![2 * width, width], values: Vec::new() };
    let mut bias = Vec::new();
    for name in ["H", "T"] {
        weight.values.extend(scope.folded(name, &[Some(width), Some(width)])?.values);
        bias.extend(scope.bias(name, width)?);
    }
    Ok(Conv1d::new(&weight, bias, 1, Padding::Zero))
}

/// A linear layer over the channels of all columns.
pub fn dense(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: Option<usize>,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[n_out, Some(n_in)])?;
    Ok(Conv1d::new(&weight, scope.bias(name, weight.shape[0])?, 1, Padding::Zero))
}
