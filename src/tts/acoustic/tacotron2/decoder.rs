//! Tacotron 2's decoder: one step after the other, each from the last frame it made.
//!
//! Source: "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions" §2.2,
//! <https://arxiv.org/abs/1712.05884>; layout as in NVIDIA/tacotron2 `model.py` at 185cd24. A step may
//! make several frames, as in "Tacotron"; how many, and whether all of them or the last is heard
//! in the next step, the shapes tell.

use std::ops::Range;

use crate::{
    nn::{Features, Linear, LstmCell, LstmState, Scope, Stepper, WeightsError},
    tts::acoustic::{
        prenet::{Dropout, PreNet},
        tacotron2::attention::{LocationAttention, Looked, Memory},
    },
};

/// All layers.
#[derive(Debug)]
pub struct Decoder {
    prenet: PreNet,
    attention_rnn: LstmCell,
    attention: LocationAttention,
    output_rnn: LstmCell,
    linear: Linear,
    gate: Linear,
}

/// One sentence on its way.
#[derive(Debug, Clone)]
pub struct Utterance {
    memory: Memory,
    looked: Looked,
    attention: LstmState,
    decoder: LstmState,
    /// The frames that the last step made, or was told to have made; at first silence.
    pub frames: Vec<f32>,
}

impl Utterance {
    /// How much the last step heard of each phoneme.
    pub fn weights(&self) -> &[f32] {
        self.looked.weights()
    }

    /// Phonemes.
    pub fn n_phonemes(&self) -> usize {
        self.memory.values.len
    }
}

impl Decoder {
    /// Reads the decoder over an encoding of `n_memory` channels.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, n_memory: usize, n_mels: usize) -> Result<Self, WeightsError> {
        let prenet = PreNet::load(&scope.scope("prenet"))?;
        let attention_rnn =
            LstmCell::load(&scope.scope("attention_rnn"), prenet.n_out() + n_memory)?;
        let n_query = attention_rnn.n_hidden();
        let output_rnn = LstmCell::load(&scope.scope("decoder_rnn"), n_query + n_memory)?;
        let n_out = output_rnn.n_hidden() + n_memory;
        let linear = Linear::load(scope, "linear_projection.linear_layer", n_out, None)?;
        if !linear.n_out().is_multiple_of(n_mels) {
            let expected = format!("whole frames of {n_mels} rows");
            let name = "linear_projection.linear_layer.weight";
            return Err(scope.unexpected(name, expected));
        }
        if prenet.n_in() != n_mels && prenet.n_in() != linear.n_out() {
            let expected =
                format!("{n_mels} or {} inputs, one frame or those of a step", linear.n_out());
            let name = "prenet.layers.0.linear_layer.weight";
            return Err(scope.unexpected(name, expected));
        }
        Ok(Self {
            attention: LocationAttention::load(&scope.scope("attention_layer"), n_query, n_memory)?,
            gate: Linear::load(scope, "gate_layer.linear_layer", n_out, Some(1))?,
            prenet,
            attention_rnn,
            output_rnn,
            linear,
        })
    }

    /// Values of all frames that a step makes.
    pub fn n_out(&self) -> usize {
        self.linear.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.prenet.n_bytes()
            + self.attention_rnn.n_bytes()
            + self.attention.n_bytes()
            + self.output_rnn.n_bytes()
            + self.linear.n_bytes()
    }

    /// Begins a sentence whose encoding is `(n_memory, n_phonemes)`.
    pub fn begin(&self, encoded: Features) -> Utterance {
        let memory = self.attention.memory(encoded);
        Utterance {
            looked: Looked::new(&memory),
            memory,
            attention: LstmState::new(self.attention_rnn.n_hidden()),
            decoder: LstmState::new(self.output_rnn.n_hidden()),
            frames: vec![0.0; self.linear.n_out()],
        }
    }

    /// Makes the next frames, looking only at the phonemes in `allowed`; returns the logit of this
    /// step's being the last.
    pub fn step(
        &self,
        stepper: &mut Stepper,
        utterance: &mut Utterance,
        allowed: &Range<usize>,
        dropout: Dropout<'_>,
    ) -> f32 {
        let Utterance { memory, looked, attention, decoder, frames } = utterance;
        let last = &frames[frames.len() - self.prenet.n_in()..];
        let heard = self.prenet.forward(stepper, last, dropout);
        self.attention_rnn.step(stepper, &[&heard, &looked.context], attention);
        self.attention.look(stepper, &attention.hidden, memory, looked, allowed);
        self.output_rnn.step(stepper, &[&attention.hidden, &looked.context], decoder);
        let said: [&[f32]; 2] = [&decoder.hidden, &looked.context];
        let mut gate = Vec::new();
        self.gate.apply(stepper, &said, &mut gate);
        self.linear.apply(stepper, &said, frames);
        gate[0]
    }
}
