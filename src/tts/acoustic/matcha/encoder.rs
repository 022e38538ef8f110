//! Matcha-TTS's text encoder: transformer blocks with rotary positions, after a convolutional
//! pre-net.
//!
//! Source: "Matcha-TTS", <https://arxiv.org/abs/2309.03199>; layout as in matcha-tts 0.0.7
//! `models/components/text_encoder.py`. Norms stand after the residual sums, rotary positions turn
//! the first half of each head ("`RoFormer`", <https://arxiv.org/abs/2104.09864>, halves instead of
//! pairs), and embeddings are scaled by the root of their width.

use crate::nn::{
    Array, Conv1d, Features, LayerNorm, Padding, Scope, Sight, WeightsError, activation, attend,
};

/// What is added to variances in the encoder's norms.
const EPS: f32 = 1e-4;
/// Wavelengths of the rotary positions grow up to this.
const ROTARY_BASE: f32 = 10_000.0;

/// Symbols to hidden states.
#[derive(Debug, Clone)]
pub struct TextEncoder {
    embedding: Array,
    prenet: Option<PreNet>,
    blocks: Vec<Block>,
}

impl TextEncoder {
    /// Reads the encoder; `n_heads` no shape tells.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others or the heads.
    pub fn load(scope: &Scope<'_>, n_heads: usize) -> Result<Self, WeightsError> {
        let embedding = scope.shaped("emb.weight", &[None, None])?.clone();
        let width = embedding.shape[1];
        // Half of a head is turned, in two halves.
        if n_heads == 0 || !width.is_multiple_of(4 * n_heads) {
            let expected = format!("a width that {n_heads} heads divide into multiples of four");
            return Err(scope.unexpected("emb.weight", expected));
        }
        let prenet = scope
            .contains("prenet")
            .then(|| PreNet::load(&scope.scope("prenet"), width))
            .transpose()?;
        let blocks = (0..scope.count("encoder.attn_layers"))
            .map(|index| Block::load(&scope.scope("encoder"), index, width, n_heads))
            .collect::<Result<_, _>>()?;
        Ok(Self { embedding, prenet, blocks })
    }

    /// Rows of the embedding.
    pub fn n_symbols(&self) -> usize {
        self.embedding.shape[0]
    }

    /// Channels it gives.
    pub fn width(&self) -> usize {
        self.embedding.shape[1]
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let prenet = self.prenet.iter().flat_map(|prenet| &prenet.layers);
        let prenet: u64 = prenet.map(|(conv, _)| conv.n_bytes()).sum();
        let blocks: u64 = self.blocks.iter().map(Block::n_bytes).sum();
        prenet + blocks + (self.embedding.values.len() * size_of::<f32>()) as u64
    }

    /// Symbols to `(width, n_symbols)`.
    ///
    /// # Panics
    /// If an id is past the embedding.
    pub fn forward(&self, ids: &[u32]) -> Features {
        let width = self.width();
        let columns: Vec<f32> = ids
            .iter()
            .flat_map(|&id| &self.embedding.values[id as usize * width..][..width])
            .map(|value| value * (width as f32).sqrt())
            .collect();
        let mut x = Features::from_columns(&columns, width);
        if let Some(prenet) = &self.prenet {
            prenet.add_to(&mut x);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        x
    }
}

/// Convolution, norm and `ReLU` some times over, then added to what went in.
#[derive(Debug, Clone)]
struct PreNet {
    layers: Vec<(Conv1d, LayerNorm)>,
    proj: Conv1d,
}

impl PreNet {
    fn load(scope: &Scope<'_>, width: usize) -> Result<Self, WeightsError> {
        let layers = (0..scope.count("conv_layers"))
            .map(|index| {
                let conv = conv(scope, &format!("conv_layers.{index}"), width, Some(width))?;
                let norm = channel_norm(&scope.scope(format!("norm_layers.{index}")), width)?;
                Ok((conv, norm))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { layers, proj: conv(scope, "proj", width, Some(width))? })
    }

    fn add_to(&self, x: &mut Features) {
        let mut hidden = x.clone();
        for (conv, norm) in &self.layers {
            hidden = norm.forward(&conv.forward(&hidden));
            activation::relu(&mut hidden.values);
        }
        self.proj.add_activated(&hidden, |value| value, x);
    }
}

/// `x = norm(x + attention(x)); x = norm(x + conv(relu(conv(x))))`.
#[derive(Debug, Clone)]
struct Block {
    /// Queries, keys and values.
    in_proj: Conv1d,
    out_proj: Conv1d,
    n_heads: usize,
    convs: [Conv1d; 2],
    norms: [LayerNorm; 2],
}

impl Block {
    fn load(
        scope: &Scope<'_>,
        index: usize,
        width: usize,
        n_heads: usize,
    ) -> Result<Self, WeightsError> {
        let attention = scope.scope(format!("attn_layers.{index}"));
        let mut weight = Array { shape: vec![3 * width, width, 1], values: Vec::new() };
        let mut bias = Vec::new();
        for name in ["conv_q", "conv_k", "conv_v"] {
            let part = attention.folded(name, &[Some(width), Some(width), Some(1)])?;
            weight.values.extend(part.values);
            bias.extend(attention.bias(name, width)?);
        }
        let feed_forward = scope.scope(format!("ffn_layers.{index}"));
        let widening = conv(&feed_forward, "conv_1", width, None)?;
        let narrowing = conv(&feed_forward, "conv_2", widening.n_out(), Some(width))?;
        let norm = |n: usize| channel_norm(&scope.scope(format!("norm_layers_{n}.{index}")), width);
        Ok(Self {
            in_proj: Conv1d::new(&weight, bias, 1, Padding::Zero),
            out_proj: conv(&attention, "conv_o", width, Some(width))?,
            n_heads,
            convs: [widening, narrowing],
            norms: [norm(1)?, norm(2)?],
        })
    }

    fn forward(&self, mut x: Features) -> Features {
        let (width, len) = (x.n_channels, x.len);
        if len == 0 {
            return x;
        }
        let mut projected = self.in_proj.forward(&x);
        for head in 0..2 * self.n_heads {
            turn(&mut projected, head * (width / self.n_heads), width / self.n_heads);
        }
        let [queries, keys, values] =
            [0, 1, 2].map(|part| projected.rows(part * width..(part + 1) * width));
        let heard = attend([queries, keys, values], self.n_heads, len, Sight::Full);
        self.out_proj.add_activated(&heard, |value| value, &mut x);
        let mut x = self.norms[0].forward(&x);
        let inner = self.convs[0].forward(&x);
        self.convs[1].add_activated(&inner, |value| value.max(0.0), &mut x);
        self.norms[1].forward(&x)
    }

    fn n_bytes(&self) -> u64 {
        let convs: u64 = self.convs.iter().map(Conv1d::n_bytes).sum();
        self.in_proj.n_bytes() + self.out_proj.n_bytes() + convs
    }
}

/// Turns the first half of a head's channels by their positions.
fn turn(x: &mut Features, first: usize, d_head: usize) {
    let n_pairs = d_head / 4;
    for pair in 0..n_pairs {
        let frequency = ROTARY_BASE.powf(-((2 * pair) as f32) / (2 * n_pairs) as f32);
        for at in 0..x.len {
            let (sin, cos) = (at as f32 * frequency).sin_cos();
            let (a, b) = ((first + pair) * x.len + at, (first + n_pairs + pair) * x.len + at);
            let (left, right) = (x.values[a], x.values[b]);
            x.values[a] = left * cos - right * sin;
            x.values[b] = right * cos + left * sin;
        }
    }
}

/// A convolution of any odd kernel that hears zeros past the ends.
pub fn conv(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: Option<usize>,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[n_out, Some(n_in), None])?;
    if weight.shape[2].is_multiple_of(2) {
        return Err(scope.unexpected(&format!("{name}.weight"), "an odd kernel"));
    }
    Ok(Conv1d::new(&weight, scope.bias(name, weight.shape[0])?, 1, Padding::Zero))
}

/// A layer norm over the channels whose parameters are called `gamma` and `beta`.
pub fn channel_norm(scope: &Scope<'_>, width: usize) -> Result<LayerNorm, WeightsError> {
    Ok(LayerNorm {
        scale: scope.vector("gamma", width)?,
        shift: scope.vector("beta", width)?,
        eps: EPS,
    })
}
