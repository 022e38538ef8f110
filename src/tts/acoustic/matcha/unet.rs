//! Matcha-TTS's decoder: a one-dimensional U-Net of residual blocks and transformers that tells in
//! which direction noise becomes a mel.
//!
//! Source: "Matcha-TTS", <https://arxiv.org/abs/2309.03199>; layout as in matcha-tts 0.0.7
//! `models/components/decoder.py` and `transformer.py`. Two things are as there and in no paper:
//! the mask is *added* to attention scores (a real frame's key counts for e times as much as one of
//! padding, and padding is heard), and the last stage going down and going up keeps the length.

use crate::{
    nn::{
        Array, Conv1d, ConvTranspose1d, Features, GroupNorm, LayerNorm, Padding, Scope, Sight,
        StridedConv1d, WeightsError, activation, affine, attend,
    },
    tts::acoustic::matcha::encoder::conv,
};

/// Groups of channels that are normalized together.
const N_GROUPS: usize = 8;
/// What is added to variances.
const EPS: f32 = 1e-5;
/// The sinusoids of a time between 0 and 1 are those of a thousand times as much.
const TIME_SCALE: f32 = 1000.0;
/// Wavelengths of the sinusoids grow up to this.
const TIME_BASE: f32 = 10_000.0;
/// Kernel, stride and padding of what halves and doubles the length.
const HALVING: (usize, usize) = (2, 1);
const DOUBLING_KERNEL: usize = 4;

/// All layers.
#[derive(Debug, Clone)]
pub struct UNet {
    time: [Dense; 2],
    down: Vec<(Stage, Down)>,
    middle: Vec<Stage>,
    up: Vec<(Stage, Up)>,
    last: Block,
    proj: Conv1d,
    n_mels: usize,
}

/// Hears what each part says, by its name in matcha-tts; for comparison with that.
pub type Taps<'a> = &'a mut dyn FnMut(&str, &Features);

impl UNet {
    /// Reads all layers; the number of attention heads no shape tells.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others or the heads.
    pub fn load(scope: &Scope<'_>, n_mels: usize, n_heads: usize) -> Result<Self, WeightsError> {
        let first = Dense::load(&scope.scope("time_mlp.linear_1"), None)?;
        if !first.n_in().is_multiple_of(2) || first.n_in() < 4 {
            return Err(scope.unexpected("time_mlp.linear_1.weight", "an even number of sinusoids"));
        }
        let second = Dense::load(&scope.scope("time_mlp.linear_2"), Some(first.n_out()))?;
        let stage =
            |name: String, n_in| Stage::load(&scope.scope(name), n_in, second.n_out(), n_heads);

        let (mut width, mut skipped) = (2 * n_mels, Vec::new());
        let mut down = Vec::new();
        let n_down = scope.count("down_blocks");
        for index in 0..n_down {
            let stage = stage(format!("down_blocks.{index}"), width)?;
            width = stage.n_out();
            skipped.push(width);
            let name = format!("down_blocks.{index}.2");
            let then = if index + 1 < n_down {
                let weight = scope.folded(&name, &[Some(width), Some(width), Some(3)])?;
                let (stride, padding) = HALVING;
                let bias = scope.bias(&name, width)?;
                Down::Halve(StridedConv1d::new(&weight, bias, stride, padding))
            } else {
                Down::Keep(conv(scope, &name, width, Some(width))?)
            };
            down.push((stage, then));
        }

        let middle = (0..scope.count("mid_blocks"))
            .map(|index| {
                let stage = stage(format!("mid_blocks.{index}"), width)?;
                width = stage.n_out();
                Ok(stage)
            })
            .collect::<Result<_, WeightsError>>()?;

        let mut up = Vec::new();
        let n_up = scope.count("up_blocks");
        if n_up != n_down || n_up == 0 {
            let expected = format!("{n_down} stages going up, as many as going down, not {n_up}");
            return Err(scope.unexpected("final_proj.weight", expected));
        }
        for index in 0..n_up {
            let skip = skipped.pop().unwrap_or_default();
            let stage = stage(format!("up_blocks.{index}"), width + skip)?;
            width = stage.n_out();
            let name = format!("up_blocks.{index}.2");
            let then = if index + 1 < n_up {
                let shape = [Some(width), Some(width), Some(DOUBLING_KERNEL)];
                let weight = scope.folded(&name, &shape)?;
                let (stride, padding) = HALVING;
                let bias = scope.bias(&name, width)?;
                Up::Double(ConvTranspose1d::new(&weight, bias, stride, padding))
            } else {
                Up::Keep(conv(scope, &name, width, Some(width))?)
            };
            up.push((stage, then));
        }
        Ok(Self {
            last: Block::load(&scope.scope("final_block"), width)?,
            proj: conv(scope, "final_proj", width, Some(n_mels))?,
            time: [first, second],
            down,
            middle,
            up,
            n_mels,
        })
    }

    /// Lengths must be a multiple of this.
    pub fn length_unit(&self) -> usize {
        1 << self.down.len()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let down = self.down.iter().map(|(stage, then)| {
            stage.n_bytes()
                + match then {
                    Down::Halve(conv) => conv.n_bytes(),
                    Down::Keep(conv) => conv.n_bytes(),
                }
        });
        let up = self.up.iter().map(|(stage, then)| {
            stage.n_bytes()
                + match then {
                    Up::Double(conv) => conv.n_bytes(),
                    Up::Keep(conv) => conv.n_bytes(),
                }
        });
        let middle = self.middle.iter().map(Stage::n_bytes);
        let time: u64 = self.time.iter().map(Dense::n_bytes).sum();
        down.chain(up).chain(middle).sum::<u64>()
            + time
            + self.last.conv.n_bytes()
            + self.proj.n_bytes()
    }

    /// The direction at `time` (0 is noise, 1 the mel) of `x` under the condition `mu`, both
    /// `(n_mels, len)`, of which the first `n_frames` are no padding.
    ///
    /// # Panics
    /// If `len` is no multiple of [`UNet::length_unit`], or the channels are others.
    pub fn forward(
        &self,
        x: &Features,
        mu: &Features,
        n_frames: usize,
        time: f32,
        taps: Taps<'_>,
    ) -> Features {
        assert!(x.len.is_multiple_of(self.length_unit()), "the caller has padded");
        let time = self.embed_time(time);
        taps("time_mlp", &Features { n_channels: time.len(), len: 1, values: time.clone() });
        // Every residual block hears the time through its own layer, after this.
        let mut heard_time = time;
        activation::mish(&mut heard_time);

        let mut x = stack(x, mu);
        let mut n_frames = n_frames;
        let mut skipped = Vec::new();
        for (index, (stage, then)) in self.down.iter().enumerate() {
            x = stage.forward(&x, n_frames, &heard_time, &format!("down{index}"), taps);
            let mut inner = x.clone();
            silence(&mut inner, n_frames);
            skipped.push((x, n_frames));
            x = match then {
                Down::Halve(conv) => {
                    n_frames = n_frames.div_ceil(2);
                    conv.forward(&inner)
                }
                Down::Keep(conv) => conv.forward(&inner),
            };
            taps(&format!("down{index}_downsample"), &x);
        }
        for (index, stage) in self.middle.iter().enumerate() {
            x = stage.forward(&x, n_frames, &heard_time, &format!("mid{index}"), taps);
        }
        for (index, (stage, then)) in self.up.iter().enumerate() {
            if let Some((skip, n)) = skipped.pop() {
                x = stack(&x, &skip);
                n_frames = n;
            }
            x = stage.forward(&x, n_frames, &heard_time, &format!("up{index}"), taps);
            silence(&mut x, n_frames);
            match then {
                Up::Double(conv) => {
                    x = conv.forward_activated(&x, |value| value);
                    taps(&format!("up{index}_upsample"), &x);
                }
                Up::Keep(conv) => {
                    x = conv.forward(&x);
                    taps(&format!("up{index}_conv"), &x);
                }
            }
        }
        let mut direction = self.proj.forward(&self.last.forward(&x, n_frames));
        silence(&mut direction, n_frames);
        debug_assert_eq!(direction.n_channels, self.n_mels);
        direction
    }

    /// Sines, then cosines, of wavelengths from short to long, through two layers.
    fn embed_time(&self, time: f32) -> Vec<f32> {
        let n = self.time[0].n_in() / 2;
        let angles: Vec<f32> = (0..n)
            .map(|at| TIME_SCALE * time * (at as f32 * -(TIME_BASE.ln() / (n - 1) as f32)).exp())
            .collect();
        let sines = angles.iter().map(|angle| angle.sin());
        let waves: Vec<f32> = sines.chain(angles.iter().map(|angle| angle.cos())).collect();
        let mut hidden = self.time[0].forward(&waves);
        activation::silu(&mut hidden);
        self.time[1].forward(&hidden)
    }
}

/// What follows a stage going down.
#[derive(Debug, Clone)]
enum Down {
    Halve(StridedConv1d),
    Keep(Conv1d),
}

/// What follows a stage going up.
#[derive(Debug, Clone)]
enum Up {
    Double(ConvTranspose1d),
    Keep(Conv1d),
}

/// A residual block and the transformers after it.
#[derive(Debug, Clone)]
struct Stage {
    blocks: [Block; 2],
    time: Dense,
    residual: Conv1d,
    transformers: Vec<Transformer>,
}

impl Stage {
    fn load(
        scope: &Scope<'_>,
        n_in: usize,
        n_time: usize,
        n_heads: usize,
    ) -> Result<Self, WeightsError> {
        let resnet = scope.scope("0");
        let first = Block::load(&resnet.scope("block1"), n_in)?;
        let width = first.conv.n_out();
        let second = Block::load(&resnet.scope("block2"), width)?;
        if second.conv.n_out() != width {
            let expected = format!("{width} outputs, as the block before");
            return Err(resnet.unexpected("block2.block.0.weight", expected));
        }
        let time = Dense::load(&resnet.scope("mlp.1"), Some(n_time))?;
        if time.n_out() != width {
            return Err(resnet.unexpected("mlp.1.weight", format!("{width} rows, one per channel")));
        }
        let transformers = (0..scope.count("1"))
            .map(|index| Transformer::load(&scope.scope(format!("1.{index}")), width, n_heads))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            blocks: [first, second],
            time,
            residual: conv(&resnet, "res_conv", n_in, Some(width))?,
            transformers,
        })
    }

    fn n_out(&self) -> usize {
        self.residual.n_out()
    }

    fn n_bytes(&self) -> u64 {
        let blocks: u64 = self.blocks.iter().map(|block| block.conv.n_bytes()).sum();
        let transformers: u64 = self.transformers.iter().map(Transformer::n_bytes).sum();
        blocks + transformers + self.time.n_bytes() + self.residual.n_bytes()
    }

    fn forward(
        &self,
        x: &Features,
        n_frames: usize,
        time: &[f32],
        name: &str,
        taps: Taps<'_>,
    ) -> Features {
        let mut hidden = self.blocks[0].forward(x, n_frames);
        for (channel, addend) in self.time.forward(time).into_iter().enumerate() {
            // Added to padding, too, which the next block's mask takes away.
            hidden.row_mut(channel).iter_mut().for_each(|value| *value += addend);
        }
        let mut out = self.blocks[1].forward(&hidden, n_frames);
        let mut inner = x.clone();
        silence(&mut inner, n_frames);
        self.residual.add_activated(&inner, |value| value, &mut out);
        taps(&format!("{name}_resnet"), &out);
        for transformer in &self.transformers {
            transformer.add_to(&mut out, n_frames);
        }
        taps(&format!("{name}_transformer"), &out);
        out
    }
}

/// Convolution, group norm and Mish, of real frames alone.
#[derive(Debug, Clone)]
struct Block {
    conv: Conv1d,
    norm: GroupNorm,
}

impl Block {
    fn load(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        let conv = conv(scope, "block.0", n_in, None)?;
        let norm = GroupNorm::load(&scope.scope("block.1"), N_GROUPS, conv.n_out())?;
        Ok(Self { conv, norm })
    }

    fn forward(&self, x: &Features, n_frames: usize) -> Features {
        let mut hidden = if n_frames < x.len {
            let mut real = x.clone();
            silence(&mut real, n_frames);
            self.conv.forward(&real)
        } else {
            self.conv.forward(x)
        };
        self.norm.apply(&mut hidden);
        activation::mish(&mut hidden.values);
        silence(&mut hidden, n_frames);
        hidden
    }
}

/// `x += attention(norm(x)); x += linear(snake(norm(x)))`.
#[derive(Debug, Clone)]
struct Transformer {
    norms: [LayerNorm; 2],
    in_proj: Conv1d,
    out_proj: Conv1d,
    n_heads: usize,
    widening: Conv1d,
    /// Frequency and height of the Snake, channel by channel.
    snake: Vec<[f32; 2]>,
    narrowing: Conv1d,
}

impl Transformer {
    fn load(scope: &Scope<'_>, width: usize, n_heads: usize) -> Result<Self, WeightsError> {
        let attention = scope.scope("attn1");
        let inner = attention.shaped("to_q.weight", &[None, Some(width)])?.shape[0];
        if n_heads == 0 || !inner.is_multiple_of(n_heads) {
            let expected = format!("as many rows as {n_heads} heads divide");
            return Err(attention.unexpected("to_q.weight", expected));
        }
        let mut weight = Array { shape: vec![3 * inner, width], values: Vec::new() };
        for name in ["to_q", "to_k", "to_v"] {
            let part = attention.shaped(&format!("{name}.weight"), &[Some(inner), Some(width)])?;
            weight.values.extend_from_slice(&part.values);
        }
        let norm = |name| {
            let scope = scope.scope(name);
            let (scale, shift) = (scope.vector("weight", width)?, scope.vector("bias", width)?);
            Ok(LayerNorm { scale, shift, eps: EPS })
        };
        let widening = dense(scope, "ff.net.0.proj", width, None)?;
        let n_inner = widening.n_out();
        let frequencies = scope.vector("ff.net.0.alpha", n_inner)?;
        let heights = scope.vector("ff.net.0.beta", n_inner)?;
        let snake = frequencies
            .iter()
            .zip(heights)
            .map(|(alpha, beta)| [alpha.exp(), 1.0 / (beta.exp() + 1e-9)]);
        Ok(Self {
            norms: [norm("norm1")?, norm("norm3")?],
            in_proj: Conv1d::new(&weight, vec![0.0; 3 * inner], 1, Padding::Zero),
            out_proj: dense(&attention, "to_out.0", inner, Some(width))?,
            n_heads,
            snake: snake.collect(),
            narrowing: dense(scope, "ff.net.2", n_inner, Some(width))?,
            widening,
        })
    }

    fn n_bytes(&self) -> u64 {
        let layers = [&self.in_proj, &self.out_proj, &self.widening, &self.narrowing];
        layers.into_iter().map(Conv1d::n_bytes).sum()
    }

    fn add_to(&self, x: &mut Features, n_frames: usize) {
        let len = x.len;
        let projected = self.in_proj.forward(&self.norms[0].forward(x));
        let inner = projected.n_channels / 3;
        let parts = [0, 1, 2].map(|part| projected.rows(part * inner..(part + 1) * inner));
        let mask: Vec<f32> = (0..len).map(|at| f32::from(u8::from(at < n_frames))).collect();
        // The same for all keys, the mask changes nothing.
        let sight = if n_frames < len { Sight::Biased(&mask) } else { Sight::Full };
        let heard = attend(parts, self.n_heads, len, sight);
        self.out_proj.add_activated(&heard, |value| value, x);

        let mut hidden = self.widening.forward(&self.norms[1].forward(x));
        for (channel, &[frequency, height]) in self.snake.iter().enumerate() {
            activation::snake(hidden.row_mut(channel), frequency, height);
        }
        self.narrowing.add_activated(&hidden, |value| value, x);
    }
}

/// A linear layer over one column.
#[derive(Debug, Clone)]
struct Dense {
    weight: Array,
    bias: Vec<f32>,
}

impl Dense {
    fn load(scope: &Scope<'_>, n_in: Option<usize>) -> Result<Self, WeightsError> {
        let weight = scope.shaped("weight", &[None, n_in])?.clone();
        let bias = scope.vector("bias", weight.shape[0])?;
        Ok(Self { weight, bias })
    }

    fn n_in(&self) -> usize {
        self.weight.shape[1]
    }

    fn n_out(&self) -> usize {
        self.weight.shape[0]
    }

    fn n_bytes(&self) -> u64 {
        (self.weight.values.len() * size_of::<f32>()) as u64
    }

    fn forward(&self, x: &[f32]) -> Vec<f32> {
        affine(&self.weight, &self.bias, x)
    }
}

/// A linear layer over the channels of all columns.
fn dense(
    scope: &Scope<'_>,
    name: &str,
    n_in: usize,
    n_out: Option<usize>,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[n_out, Some(n_in)])?;
    Ok(Conv1d::new(&weight, scope.bias(name, weight.shape[0])?, 1, Padding::Zero))
}

/// The channels of one above those of the other.
fn stack(above: &Features, below: &Features) -> Features {
    Features {
        values: [above.values.as_slice(), &below.values].concat(),
        n_channels: above.n_channels + below.n_channels,
        len: above.len,
    }
}

/// Makes all columns zero from `n_frames` on.
pub fn silence(x: &mut Features, n_frames: usize) {
    if n_frames < x.len {
        for channel in 0..x.n_channels {
            x.row_mut(channel)[n_frames..].fill(0.0);
        }
    }
}
