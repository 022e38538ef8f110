//! The layers of FastSpeech 2: pre-norm transformer blocks with convolutions inside, variance
//! predictors and the post-net.
//!
//! Source: "FastSpeech 2", <https://arxiv.org/abs/2006.04558>; layout, parameter names and all
//! departures from the paper (pre-norm, reflect padding, layer norms in the post-net) as in
//! SpeechBrain 1.1 `lobes/models/FastSpeech2.py` and `lobes/models/transformer/Transformer.py`.

use crate::nn::{
    Array, Conv1d, Features, LayerNorm, Padding, Scope, SelfAttention, Sight, WeightsError,
};

/// Blocks, then one more layer norm.
#[derive(Debug, Clone)]
pub struct Encoder {
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Encoder {
    /// Reads `layers.0`, `layers.1`, … and `norm`, each of width `d_model`.
    pub fn load(scope: &Scope<'_>, d_model: usize, n_heads: usize) -> Result<Self, WeightsError> {
        let blocks = (0..scope.count("layers"))
            .map(|index| Block::load(&scope.scope(format!("layers.{index}")), d_model, n_heads))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { blocks, norm: layer_norm(&scope.scope("norm.norm"), d_model, 1e-6)? })
    }

    /// `(d_model, len)` to the same; positions are added first.
    pub fn forward(&self, x: &Features, sight: Sight<'_>) -> Features {
        let mut x = x.clone();
        x.add(&positions(x.n_channels, x.len));
        for block in &self.blocks {
            x = block.forward(x, sight);
        }
        self.norm.forward(&x)
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.blocks.iter().map(Block::n_bytes).sum()
    }
}

/// `x += attention(norm(x)); x += conv(relu(conv(norm(x))))`.
#[derive(Debug, Clone)]
struct Block {
    attention: SelfAttention,
    norms: [LayerNorm; 2],
    convs: [Conv1d; 2],
}

impl Block {
    fn load(scope: &Scope<'_>, d_model: usize, n_heads: usize) -> Result<Self, WeightsError> {
        let inner = scope.folded("pos_ffn.0", &[None, Some(d_model), None])?.shape[0];
        let attention = scope.scope("self_att.att");
        Ok(Self {
            attention: SelfAttention {
                in_proj: Conv1d::new(
                    attention.shaped("in_proj_weight", &[Some(3 * d_model), Some(d_model)])?,
                    attention.vector("in_proj_bias", 3 * d_model)?,
                    1,
                    Padding::Reflect,
                ),
                out_proj: linear(&attention, "out_proj", d_model, d_model)?,
                n_heads,
            },
            norms: [
                layer_norm(&scope.scope("norm1.norm"), d_model, 1e-6)?,
                layer_norm(&scope.scope("norm2.norm"), d_model, 1e-6)?,
            ],
            convs: [
                conv(scope, "pos_ffn.0", d_model, inner)?,
                conv(scope, "pos_ffn.2", inner, d_model)?,
            ],
        })
    }

    fn forward(&self, mut x: Features, sight: Sight<'_>) -> Features {
        x.add(&self.attention.forward(&self.norms[0].forward(&x), sight));
        let inner = self.convs[0].forward(&self.norms[1].forward(&x));
        self.convs[1].add_activated(&inner, relu, &mut x);
        x
    }

    fn n_bytes(&self) -> u64 {
        let attention = self.attention.in_proj.n_bytes() + self.attention.out_proj.n_bytes();
        attention + self.convs.iter().map(Conv1d::n_bytes).sum::<u64>()
    }
}

/// Duration, pitch or energy of each phoneme: twice convolution, `ReLU`, norm; then one number.
#[derive(Debug, Clone)]
pub struct Predictor {
    convs: [Conv1d; 2],
    norms: [LayerNorm; 2],
    linear: Conv1d,
}

impl Predictor {
    /// Reads a predictor over inputs of width `d_model`.
    pub fn load(scope: &Scope<'_>, d_model: usize) -> Result<Self, WeightsError> {
        let first = scope.folded("conv1", &[None, Some(d_model), None])?.shape[0];
        let second = scope.folded("conv2", &[None, Some(first), None])?.shape[0];
        Ok(Self {
            convs: [conv(scope, "conv1", d_model, first)?, conv(scope, "conv2", first, second)?],
            norms: [
                layer_norm(&scope.scope("ln1.norm"), first, 1e-5)?,
                layer_norm(&scope.scope("ln2.norm"), second, 1e-5)?,
            ],
            linear: linear(scope, "linear.w", second, 1)?,
        })
    }

    /// `(d_model, n_phonemes)` to one value per phoneme.
    pub fn forward(&self, x: &Features) -> Vec<f32> {
        let mut hidden = self.convs[0].forward(x);
        hidden.map(relu);
        let mut hidden = self.convs[1].forward(&self.norms[0].forward(&hidden));
        hidden.map(relu);
        self.linear.forward(&self.norms[1].forward(&hidden)).values
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.convs.iter().map(Conv1d::n_bytes).sum()
    }
}

/// Refines the mel: convolutions with two norms and tanh between, none between the middle ones.
#[derive(Debug, Clone)]
pub struct PostNet {
    pre: Conv1d,
    intermediate: Vec<Conv1d>,
    post: Conv1d,
    norms: [LayerNorm; 3],
}

impl PostNet {
    /// Reads a post-net over mels of `n_mels` bands.
    pub fn load(scope: &Scope<'_>, n_mels: usize) -> Result<Self, WeightsError> {
        let width = scope.folded("conv_pre", &[None, Some(n_mels), None])?.shape[0];
        let norm = |name: &str, n| layer_norm(&scope.scope(name), n, 1e-5);
        Ok(Self {
            pre: conv(scope, "conv_pre", n_mels, width)?,
            intermediate: (0..scope.count("convs_intermediate"))
                .map(|index| conv(scope, &format!("convs_intermediate.{index}"), width, width))
                .collect::<Result<_, _>>()?,
            post: conv(scope, "conv_post", width, n_mels)?,
            norms: [norm("ln1", width)?, norm("ln2", width)?, norm("ln3", n_mels)?],
        })
    }

    /// What is to be added to the mel, `(n_mels, n_frames)`.
    pub fn forward(&self, mel: &Features) -> Features {
        let mut hidden = self.norms[0].forward(&self.pre.forward(mel));
        hidden.map(f32::tanh);
        for conv in &self.intermediate {
            hidden = conv.forward(&hidden);
        }
        let mut hidden = self.norms[1].forward(&hidden);
        hidden.map(f32::tanh);
        self.norms[2].forward(&self.post.forward(&hidden))
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let convs = self.intermediate.iter().chain([&self.pre, &self.post]);
        convs.map(Conv1d::n_bytes).sum()
    }
}

/// Sine in even and cosine in odd channels, `10000^(−2i/d)` radians per step; any length.
fn positions(d_model: usize, len: usize) -> Features {
    let mut table = Features::zeros(d_model, len);
    for channel in 0..d_model {
        let exponent = -((channel & !1) as f32) * (10_000_f32.ln() / d_model as f32);
        let step = exponent.exp();
        for (at, value) in table.row_mut(channel).iter_mut().enumerate() {
            let angle = at as f32 * step;
            *value = if channel % 2 == 0 { angle.sin() } else { angle.cos() };
        }
    }
    table
}

/// A convolution of any odd kernel with SpeechBrain's reflect padding.
pub fn conv(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: usize,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[Some(n_out), Some(n_in), None])?;
    Ok(Conv1d::new(&weight, scope.bias(name, n_out)?, 1, Padding::Reflect))
}

/// A linear layer over the channels.
pub fn linear(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: usize,
) -> Result<Conv1d, WeightsError> {
    let weight: Array = scope.folded(name, &[Some(n_out), Some(n_in)])?;
    Ok(Conv1d::new(&weight, scope.bias(name, n_out)?, 1, Padding::Reflect))
}

fn layer_norm(scope: &Scope<'_>, n: usize, eps: f32) -> Result<LayerNorm, WeightsError> {
    Ok(LayerNorm { scale: scope.vector("weight", n)?, shift: scope.vector("bias", n)?, eps })
}

fn relu(value: f32) -> f32 {
    value.max(0.0)
}
