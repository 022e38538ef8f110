//! Tacotron 2 as tensors in, tensors out.
//!
//! Source: NVIDIA/tacotron2 `model.py` at 185cd24 and SpeechBrain 1.1 `lobes/models/Tacotron2.py`,
//! which name their tensors alike; every size is read from the tensors' shapes.

use crate::{
    nn::{Scope, WeightsError},
    tts::acoustic::tacotron2::{decoder::Decoder, encoder::Encoder, postnet::PostNet},
};

/// All layers of one voice.
#[derive(Debug)]
pub struct Network {
    /// Symbols to hidden states.
    pub encoder: Encoder,
    /// Hidden states to frames.
    pub decoder: Decoder,
    /// What is added to the frames.
    pub postnet: PostNet,
    n_mels: usize,
}

impl Network {
    /// Reads all layers.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>) -> Result<Self, WeightsError> {
        let encoder = Encoder::load(scope)?;
        // The post-net takes one frame at a time, whatever the decoder makes in a step.
        let n_mels = scope.folded("postnet.convolutions.0.0", &[None, None, None])?.shape[1];
        Ok(Self {
            decoder: Decoder::load(&scope.scope("decoder"), encoder.n_out(), n_mels)?,
            postnet: PostNet::load(&scope.scope("postnet"), n_mels)?,
            encoder,
            n_mels,
        })
    }

    /// Bands of the mel.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// Frames that one step makes.
    pub fn frames_per_step(&self) -> usize {
        self.decoder.n_out() / self.n_mels
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.encoder.n_bytes() + self.decoder.n_bytes() + self.postnet.n_bytes()
    }
}
