//! Tacotron's decoder: a few frames a step, each step from the last frames it made.
//!
//! Source: "Tacotron", <https://arxiv.org/abs/1703.10135> §3.3; attention as in "Neural Machine
//! Translation by Jointly Learning to Align and Translate", <https://arxiv.org/abs/1409.0473>; layout
//! as in `r9y9/tacotron_pytorch` `tacotron.py`. Whether all frames of a step or the last one is heard
//! in the next, the shapes tell.

use std::ops::Range;

use crate::{
    nn::{Conv1d, Features, GruStep, Linear, Scope, Stepper, WeightsError, activation},
    tts::acoustic::{
        prenet::{Dropout, PreNet},
        tacotron::cbhg::dense,
        tacotron2::softmax,
    },
};

/// All layers.
#[derive(Debug)]
pub struct Decoder {
    prenet: PreNet,
    attention_rnn: GruStep,
    query: Linear,
    memory: Conv1d,
    v: Vec<f32>,
    proj_in: Linear,
    rnns: Vec<GruStep>,
    proj_out: Linear,
}

/// One sentence on its way.
#[derive(Debug, Clone)]
pub struct Utterance {
    memory: Features,
    keys: Features,
    context: Vec<f32>,
    attention: Vec<f32>,
    states: Vec<Vec<f32>>,
    /// How much the last step heard of each phoneme.
    pub weights: Vec<f32>,
    /// The frames that the last step made; at first zeros.
    pub frames: Vec<f32>,
}

impl Decoder {
    /// Reads the decoder over an encoding of `n_memory` channels.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_memory: usize, n_mels: usize) -> Result<Self, WeightsError> {
        let prenet = PreNet::load(&scope.scope("prenet"))?;
        let attention_rnn =
            GruStep::load(&scope.scope("attention_rnn.rnn_cell"), prenet.n_out() + n_memory)?;
        let n_query = attention_rnn.n_hidden();
        let attention = scope.scope("attention_rnn.attention_mechanism");
        let query = Linear::load(&attention, "query_layer", n_query, None)?;
        let n_keys = query.n_out();
        let proj_in = Linear::load(scope, "project_to_decoder_in", n_query + n_memory, None)?;
        let width = proj_in.n_out();
        let rnns = (0..scope.count("decoder_rnns"))
            .map(|index| GruStep::load(&scope.scope(format!("decoder_rnns.{index}")), width))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(index) = rnns.iter().position(|rnn| rnn.n_hidden() != width) {
            let name = format!("decoder_rnns.{index}.weight_hh");
            return Err(scope.unexpected(&name, format!("{width} units, since it is residual")));
        }
        let proj_out = Linear::load(scope, "proj_to_mel", width, None)?;
        if !proj_out.n_out().is_multiple_of(n_mels) {
            let expected = format!("whole frames of {n_mels} rows");
            return Err(scope.unexpected("proj_to_mel.weight", expected));
        }
        if prenet.n_in() != n_mels && prenet.n_in() != proj_out.n_out() {
            let expected =
                format!("{n_mels} or {} inputs, one frame or those of a step", proj_out.n_out());
            return Err(scope.unexpected("prenet.layers.0.weight", expected));
        }
        Ok(Self {
            memory: dense(scope, "memory_layer", n_memory, Some(n_keys))?,
            v: attention.folded("v", &[Some(1), Some(n_keys)])?.values,
            prenet,
            attention_rnn,
            query,
            proj_in,
            rnns,
            proj_out,
        })
    }

    /// Values of all frames that a step makes.
    pub fn n_out(&self) -> usize {
        self.proj_out.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let rnns: u64 = self.rnns.iter().map(GruStep::n_bytes).sum();
        let linear = [&self.query, &self.proj_in, &self.proj_out];
        let linear: u64 = linear.into_iter().map(Linear::n_bytes).sum();
        self.prenet.n_bytes() + self.attention_rnn.n_bytes() + self.memory.n_bytes() + rnns + linear
    }

    /// Begins a sentence whose encoding is `(n_memory, n_phonemes)`.
    pub fn begin(&self, memory: Features) -> Utterance {
        Utterance {
            keys: self.memory.forward(&memory),
            context: vec![0.0; memory.n_channels],
            attention: vec![0.0; self.attention_rnn.n_hidden()],
            states: self.rnns.iter().map(|rnn| vec![0.0; rnn.n_hidden()]).collect(),
            weights: vec![0.0; memory.len],
            frames: vec![0.0; self.proj_out.n_out()],
            memory,
        }
    }

    /// Makes the next frames, looking only at the phonemes in `allowed`.
    pub fn step(
        &self,
        stepper: &mut Stepper,
        utterance: &mut Utterance,
        allowed: &Range<usize>,
        dropout: Dropout<'_>,
    ) {
        let Utterance { memory, keys, context, attention, states, weights, frames } = utterance;
        let last = &frames[frames.len() - self.prenet.n_in()..];
        let heard = self.prenet.forward(stepper, last, dropout);
        self.attention_rnn.step(stepper, &[&heard, context], attention);
        let mut asked = Vec::new();
        self.query.apply(stepper, &[attention], &mut asked);
        let mut answers = keys.clone();
        for (channel, asked) in asked.into_iter().enumerate() {
            answers.row_mut(channel).iter_mut().for_each(|value| *value += asked);
        }
        activation::tanh(&mut answers.values);
        weights.fill(0.0);
        for (channel, v) in self.v.iter().enumerate() {
            for (weight, answer) in weights.iter_mut().zip(answers.row(channel)) {
                *weight += v * answer;
            }
        }
        softmax(weights, allowed);
        for (channel, value) in context.iter_mut().enumerate() {
            let row = memory.row(channel).iter();
            *value = row.zip(&*weights).map(|(value, weight)| value * weight).sum();
        }
        let mut hidden = Vec::new();
        self.proj_in.apply(stepper, &[attention, context], &mut hidden);
        for (rnn, state) in self.rnns.iter().zip(states) {
            rnn.step(stepper, &[&hidden], state);
            for (value, addend) in hidden.iter_mut().zip(state) {
                *value += *addend;
            }
        }
        self.proj_out.apply(stepper, &[&hidden], frames);
    }
}
