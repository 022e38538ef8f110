//! The HiFi-GAN generator: upsampling by transposed convolutions, each followed by the mean of
//! several residual blocks that hear at different widths.
//!
//! Source: "HiFi-GAN", <https://arxiv.org/abs/2010.05646>; jik876/hifi-gan `models.py` at 4769534
//! (zero padding) and SpeechBrain 1.1 `lobes/models/HifiGAN.py` (reflect padding). The variants V1,
//! V2 and V3 are told from the tensors' shapes.
//!
//! A stretch of frames can be generated alone ([`Generator::stretch`]): each stage then hears just as
//! many steps beyond the stretch as the later stages need, so long speech costs little more in
//! pieces than whole and sounds the same.

use std::ops::Range;

use crate::nn::{Conv1d, ConvTranspose1d, Features, Padding, Scope, WeightsError};

/// Slope of the leaky `ReLU`s below zero, but for the last, which has torch's default.
const SLOPE: f32 = 0.1;
/// Slope before the last convolution.
const LAST_SLOPE: f32 = 0.01;

/// What the shapes do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorConfig {
    /// Samples per step of each stage; `None` takes half of each kernel, as the three published
    /// variants do.
    pub upsample_rates: Option<Vec<usize>>,
    /// Dilations of each residual block; `None` takes those of the published variants.
    pub resblock_dilations: Option<Vec<Vec<usize>>>,
    /// What convolutions hear past the ends.
    pub padding: Padding,
}

/// All layers.
#[derive(Debug, Clone)]
pub struct Generator {
    pre: Conv1d,
    stages: Vec<Stage>,
    post: Conv1d,
}

/// One upsampling and its residual blocks.
#[derive(Debug, Clone)]
struct Stage {
    up: ConvTranspose1d,
    blocks: Vec<ResBlock>,
}

/// Residual branches one after the other: two convolutions each ("1") or one ("2").
#[derive(Debug, Clone)]
enum ResBlock {
    Two(Vec<[Conv1d; 2]>),
    One(Vec<Conv1d>),
}

impl Generator {
    /// Reads all layers.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others or the configuration.
    pub fn load(scope: &Scope<'_>, config: &GeneratorConfig) -> Result<Self, WeightsError> {
        let padding = config.padding;
        let pre = conv(scope, "conv_pre", None, 1, padding)?;
        let n_stages = scope.count("ups");
        let n_blocks = scope.count("resblocks");
        if n_stages == 0 || n_blocks == 0 || !n_blocks.is_multiple_of(n_stages) {
            let expected =
                format!("as many residual blocks per stage, found {n_blocks} for {n_stages}");
            return Err(scope.unexpected("ups.0.weight", expected));
        }
        let per_stage = n_blocks / n_stages;
        let mut channels = pre.n_out();
        let mut stages = Vec::with_capacity(n_stages);
        for index in 0..n_stages {
            let name = format!("ups.{index}");
            let weight = scope.folded(&name, &[Some(channels), None, None])?;
            let kernel = weight.shape[2];
            channels = weight.shape[1];
            let rates = config.upsample_rates.as_ref();
            let rate = rates.map_or(Some(kernel / 2), |rates| rates.get(index).copied());
            let Some(rate) = rate.filter(|&rate| (1..=kernel).contains(&rate)) else {
                return Err(scope.unexpected(&name, "an upsampling rate from 1 to its kernel"));
            };
            let bias = scope.bias(&name, channels)?;
            let up = ConvTranspose1d::new(&weight, bias, rate, (kernel - rate) / 2);
            let blocks = (0..per_stage)
                .map(|block| {
                    let name = format!("resblocks.{}", index * per_stage + block);
                    let dilations =
                        config.resblock_dilations.as_ref().and_then(|all| all.get(block));
                    ResBlock::load(&scope.scope(name), channels, dilations, padding)
                })
                .collect::<Result<_, _>>()?;
            stages.push(Stage { up, blocks });
        }
        let post = conv(scope, "conv_post", Some(channels), 1, padding)?;
        if post.n_out() != 1 {
            return Err(scope.unexpected("conv_post.weight", "one output channel"));
        }
        Ok(Self { pre, stages, post })
    }

    /// Bands of the mel it reads.
    pub fn n_mels(&self) -> usize {
        self.pre.n_in()
    }

    /// Samples per frame.
    pub fn hop_length(&self) -> usize {
        self.stages.iter().map(|stage| stage.up.stride()).product()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let stages = self
            .stages
            .iter()
            .map(|stage| stage.up.n_bytes() + stage.convs().map(Conv1d::n_bytes).sum::<u64>());
        self.pre.n_bytes() + stages.sum::<u64>() + self.post.n_bytes()
    }

    /// Multiply-adds per frame.
    pub fn cost_per_frame(&self) -> u64 {
        let weights = |bytes: u64| bytes / size_of::<f32>() as u64;
        let mut steps = 1;
        let mut cost = weights(self.pre.n_bytes());
        for stage in &self.stages {
            cost += weights(stage.up.n_bytes()) * steps;
            steps *= stage.up.stride() as u64;
            cost += stage.convs().map(|conv| weights(conv.n_bytes()) * steps).sum::<u64>();
        }
        cost + weights(self.post.n_bytes()) * steps
    }

    /// The sound of a whole mel `(n_mels, n_frames)`.
    pub fn forward(&self, mel: &Features) -> Vec<f32> {
        self.stretch(mel, 0..mel.len)
    }

    /// Whether [`Generator::stretch`] can make pieces: every stage gives exactly its rate per step.
    pub fn has_even_borders(&self) -> bool {
        self.stages.iter().all(|stage| stage.up.keeps_ratio())
    }

    /// Frames on each side that have a say in the sound of one.
    pub fn frame_reach(&self) -> usize {
        let mut steps = self.post.reach();
        for stage in self.stages.iter().rev() {
            steps = (steps + stage.reach()).div_ceil(stage.up.stride()) + stage.up.reach();
        }
        steps + self.pre.reach()
    }

    /// The sound of some frames of a mel, as it is within the whole.
    ///
    /// # Panics
    /// If the range is empty or past the end.
    pub fn stretch(&self, mel: &Features, frames: Range<usize>) -> Vec<f32> {
        // From the end to the front: which steps does each layer have to give?
        let mut wanted = Vec::with_capacity(self.stages.len());
        let mut steps = scale(&frames, self.hop_length());
        let mut whole = mel.len * self.hop_length();
        steps = widen(&steps, self.post.reach(), whole);
        for stage in self.stages.iter().rev() {
            wanted.push(steps.clone());
            steps = widen(&steps, stage.reach(), whole);
            let rate = stage.up.stride();
            whole /= rate;
            steps = widen(&(steps.start / rate..steps.end.div_ceil(rate)), stage.up.reach(), whole);
        }
        let heard = widen(&steps, self.pre.reach(), mel.len);

        let columns: Vec<usize> = heard.clone().collect();
        let mut x = self.pre.forward(&mel.select(&columns));
        let mut start = heard.start;
        for (stage, wanted) in self.stages.iter().zip(wanted.iter().rev()) {
            x = stage.forward(&x);
            start *= stage.up.stride();
            if self.has_even_borders() {
                let columns: Vec<usize> = (wanted.start - start..wanted.end - start).collect();
                x = x.select(&columns);
                start = wanted.start;
            }
        }
        let mut sound = self.post.forward_activated(&x, |v| leaky_relu(v, LAST_SLOPE)).values;
        for sample in &mut sound {
            *sample = sample.tanh();
        }
        if self.has_even_borders() {
            let samples = scale(&frames, self.hop_length());
            sound.truncate(samples.end - start);
            sound.drain(..samples.start - start);
        }
        sound
    }
}

impl Stage {
    fn forward(&self, x: &Features) -> Features {
        let x = self.up.forward_activated(x, |value| leaky_relu(value, SLOPE));
        let mut blocks = self.blocks.iter();
        let mut sum = blocks.next().map_or_else(|| x.clone(), |block| block.forward(x.clone()));
        for block in blocks {
            sum.add(&block.forward(x.clone()));
        }
        let n_blocks = self.blocks.len() as f32;
        sum.map(|value| value / n_blocks);
        sum
    }

    /// Steps on each side that have a say in a step of the residual blocks.
    fn reach(&self) -> usize {
        self.blocks.iter().map(|block| block.convs().map(Conv1d::reach).sum()).max().unwrap_or(0)
    }

    fn convs(&self) -> impl Iterator<Item = &Conv1d> {
        self.blocks.iter().flat_map(ResBlock::convs)
    }
}

impl ResBlock {
    fn load(
        scope: &Scope<'_>,
        channels: usize,
        dilations: Option<&Vec<usize>>,
        padding: Padding,
    ) -> Result<Self, WeightsError> {
        let load = |name: &str, dilation| conv_square(scope, name, channels, dilation, padding);
        let (kind, second) =
            if scope.contains("convs1") { ("convs1", true) } else { ("convs", false) };
        let n = scope.count(kind);
        let first = format!("{kind}.0");
        let kernel = scope.folded(&first, &[Some(channels), Some(channels), None])?.shape[2];
        let published = if second { vec![1, 3, 5] } else { published_dilations(kernel) };
        let dilations = dilations.cloned().unwrap_or(published);
        if dilations.len() != n {
            let expected =
                format!("{} convolutions, one per dilation {dilations:?}", dilations.len());
            return Err(scope.unexpected(&first, expected));
        }
        let indexed = dilations.iter().enumerate();
        Ok(if second {
            Self::Two(
                indexed
                    .map(|(index, &dilation)| {
                        let widening = load(&format!("convs1.{index}"), dilation)?;
                        Ok([widening, load(&format!("convs2.{index}"), 1)?])
                    })
                    .collect::<Result<_, WeightsError>>()?,
            )
        } else {
            Self::One(
                indexed
                    .map(|(index, &dilation)| load(&format!("convs.{index}"), dilation))
                    .collect::<Result<_, _>>()?,
            )
        })
    }

    fn forward(&self, mut x: Features) -> Features {
        let activation = |value| leaky_relu(value, SLOPE);
        match self {
            Self::Two(branches) => {
                for [widening, narrow] in branches {
                    let inner = widening.forward_activated(&x, activation);
                    narrow.add_activated(&inner, activation, &mut x);
                }
            }
            Self::One(branches) => {
                for conv in branches {
                    conv.add_to_itself(&mut x, activation);
                }
            }
        }
        x
    }

    fn convs(&self) -> Box<dyn Iterator<Item = &Conv1d> + '_> {
        match self {
            Self::Two(branches) => Box::new(branches.iter().flatten()),
            Self::One(branches) => Box::new(branches.iter()),
        }
    }
}

/// Dilations of variant V3, by kernel.
fn published_dilations(kernel: usize) -> Vec<usize> {
    match kernel {
        3 => vec![1, 2],
        5 => vec![2, 6],
        7 => vec![3, 12],
        _ => vec![1, 3],
    }
}

fn conv(
    scope: &Scope<'_>,
    name: &str,
    n_in: Option<usize>,
    dilation: usize,
    padding: Padding,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[None, n_in, None])?;
    Ok(Conv1d::new(&weight, scope.bias(name, weight.shape[0])?, dilation, padding))
}

fn conv_square(
    scope: &Scope<'_>,
    name: &str,
    channels: usize,
    dilation: usize,
    padding: Padding,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.folded(name, &[Some(channels), Some(channels), None])?;
    Ok(Conv1d::new(&weight, scope.bias(name, channels)?, dilation, padding))
}

fn leaky_relu(value: f32, slope: f32) -> f32 {
    if value < 0.0 { value * slope } else { value }
}

fn scale(range: &Range<usize>, factor: usize) -> Range<usize> {
    range.start * factor..range.end * factor
}

fn widen(range: &Range<usize>, by: usize, len: usize) -> Range<usize> {
    range.start.saturating_sub(by)..(range.end + by).min(len)
}
