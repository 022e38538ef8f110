//! Location-sensitive attention: looks at the encoding, and at where it has looked before.
//!
//! Source: "Attention-Based Models for Speech Recognition" §2.2, <https://arxiv.org/abs/1506.07503>;
//! layout as in NVIDIA/tacotron2 `model.py` at 185cd24 and SpeechBrain 1.1
//! `lobes/models/Tacotron2.py`.

use std::ops::Range;

use crate::nn::{
    Array, Conv1d, Features, Linear, Padding, Scope, Stepper, WeightsError, activation,
};

/// The layers.
#[derive(Debug)]
pub struct LocationAttention {
    query: Linear,
    memory: Conv1d,
    /// A convolution and the linear layer after it in one.
    location: Conv1d,
    v: Vec<f32>,
}

/// What is attended to: `(width, n_phonemes)`, and how it answers queries.
#[derive(Debug, Clone)]
pub struct Memory {
    pub values: Features,
    keys: Features,
}

/// Where the decoder has looked.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// In the last step and in all steps together: `(2, n_phonemes)`.
    pub history: Features,
    /// What it saw in the last step.
    pub context: Vec<f32>,
}

impl Looked {
    /// Nowhere yet.
    pub fn new(memory: &Memory) -> Self {
        Self {
            history: Features::zeros(2, memory.values.len),
            context: vec![0.0; memory.values.n_channels],
        }
    }

    /// The weights of the last step.
    pub fn weights(&self) -> &[f32] {
        self.history.row(0)
    }
}

impl LocationAttention {
    /// Reads the layers for queries and encodings of these widths.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_query: usize, n_memory: usize) -> Result<Self, WeightsError> {
        let query = Linear::load(scope, "query_layer.linear_layer", n_query, None)?;
        let width = query.n_out();
        let shape = [Some(width), Some(n_memory)];
        let memory = scope.folded("memory_layer.linear_layer", &shape)?;
        let conv = scope.folded("location_layer.location_conv", &[None, Some(2), None])?;
        let [n_filters, _, kernel] = [conv.shape[0], conv.shape[1], conv.shape[2]];
        if kernel.is_multiple_of(2) {
            let name = "location_layer.location_conv.conv.weight";
            return Err(scope.unexpected(name, "an odd kernel"));
        }
        let name = "location_layer.location_dense.linear_layer";
        let dense = scope.folded(name, &[Some(width), Some(n_filters)])?;
        let taps = 2 * kernel;
        let mut values = vec![0.0; width * taps];
        for (out, row) in values.chunks_exact_mut(taps).enumerate() {
            for (filter, factor) in dense.values[out * n_filters..][..n_filters].iter().enumerate()
            {
                for (sum, tap) in row.iter_mut().zip(&conv.values[filter * taps..][..taps]) {
                    *sum += factor * tap;
                }
            }
        }
        let location = Array { shape: vec![width, 2, kernel], values };
        Ok(Self {
            query,
            memory: Conv1d::new(&memory, vec![0.0; width], 1, Padding::Zero),
            location: Conv1d::new(&location, vec![0.0; width], 1, Padding::Zero),
            v: scope.folded("v.linear_layer", &[Some(1), Some(width)])?.values,
        })
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.query.n_bytes() + self.memory.n_bytes() + self.location.n_bytes()
    }

    /// Prepares what is to be attended to.
    pub fn memory(&self, values: Features) -> Memory {
        let keys = self.memory.forward(&values);
        Memory { values, keys }
    }

    /// Looks once more; only at the phonemes in `allowed`.
    pub fn look(
        &self,
        stepper: &mut Stepper,
        query: &[f32],
        memory: &Memory,
        looked: &mut Looked,
        allowed: &Range<usize>,
    ) {
        let mut answers = self.location.forward(&looked.history);
        answers.add(&memory.keys);
        let mut asked = Vec::new();
        self.query.apply(stepper, &[query], &mut asked);
        for (channel, asked) in asked.into_iter().enumerate() {
            answers.row_mut(channel).iter_mut().for_each(|value| *value += asked);
        }
        activation::tanh(&mut answers.values);
        let n_phonemes = answers.len;
        let mut weights = vec![0.0; n_phonemes];
        for (channel, v) in self.v.iter().enumerate() {
            for (weight, answer) in weights.iter_mut().zip(answers.row(channel)) {
                *weight += v * answer;
            }
        }
        softmax(&mut weights, allowed);
        see(memory, &weights, &mut looked.context);
        let (last, all) = looked.history.values.split_at_mut(n_phonemes);
        for (all, weight) in all.iter_mut().zip(&weights) {
            *all += weight;
        }
        last.copy_from_slice(&weights);
    }
}

/// Scores to weights: those in `allowed` sum to one, the others are zero.
pub fn softmax(scores: &mut [f32], allowed: &Range<usize>) {
    let inside = &mut scores[allowed.clone()];
    let highest = inside.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in inside.iter_mut() {
        *score -= highest;
    }
    activation::exp(inside);
    let sum: f32 = inside.iter().sum();
    for score in inside {
        *score /= sum;
    }
    scores[..allowed.start].fill(0.0);
    scores[allowed.end..].fill(0.0);
}

/// What is seen with these weights: one value for each channel of the memory.
fn see(memory: &Memory, weights: &[f32], context: &mut [f32]) {
    for (channel, value) in context.iter_mut().enumerate() {
        let row = memory.values.row(channel);
        *value = row.iter().zip(weights).map(|(value, weight)| value * weight).sum();
    }
}
