//! Tacotron as tensors in, tensors out.
//!
//! Source: "Tacotron", <https://arxiv.org/abs/1703.10135>; layout as in `r9y9/tacotron_pytorch`
//! `tacotron.py`; every size is read from the tensors' shapes.

use crate::{
    nn::{Array, Conv1d, Features, Scope, Stepper, WeightsError, activation},
    tts::acoustic::tacotron::{
        cbhg::{Cbhg, dense},
        decoder::Decoder,
    },
};

/// All layers of one voice.
#[derive(Debug)]
pub struct Network {
    embedding: Array,
    prenet: Vec<Conv1d>,
    encoder: Cbhg,
    /// Hidden states to frames.
    pub decoder: Decoder,
    postnet: Cbhg,
    linear: Conv1d,
    n_mels: usize,
}

impl Network {
    /// Reads all layers.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>) -> Result<Self, WeightsError> {
        let embedding = scope.shaped("embedding.weight", &[None, None])?.clone();
        let encoder_scope = scope.scope("encoder");
        let mut width = embedding.shape[1];
        let prenet = (0..encoder_scope.count("prenet.layers"))
            .map(|index| {
                let layer = dense(&encoder_scope, &format!("prenet.layers.{index}"), width, None)?;
                width = layer.n_out();
                Ok(layer)
            })
            .collect::<Result<_, WeightsError>>()?;
        let encoder = Cbhg::load(&encoder_scope.scope("cbhg"), width)?;
        let n_mels = scope.folded("postnet.conv1d_banks.0.conv1d", &[None, None, None])?.shape[1];
        let postnet = Cbhg::load(&scope.scope("postnet"), n_mels)?;
        Ok(Self {
            decoder: Decoder::load(&scope.scope("decoder"), encoder.n_out(), n_mels)?,
            linear: dense(scope, "last_linear", postnet.n_out(), None)?,
            embedding,
            prenet,
            encoder,
            postnet,
            n_mels,
        })
    }

    /// Rows of the embedding.
    pub fn n_symbols(&self) -> usize {
        self.embedding.shape[0]
    }

    /// Bands of the mel.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// Bins of the linear spectrogram.
    pub fn n_bins(&self) -> usize {
        self.linear.n_out()
    }

    /// Frames that one step makes.
    pub fn frames_per_step(&self) -> usize {
        self.decoder.n_out() / self.n_mels
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let prenet: u64 = self.prenet.iter().map(Conv1d::n_bytes).sum();
        let embedding = (self.embedding.values.len() * size_of::<f32>()) as u64;
        prenet
            + embedding
            + self.encoder.n_bytes()
            + self.decoder.n_bytes()
            + self.postnet.n_bytes()
            + self.linear.n_bytes()
    }

    /// Symbols to `(width, n_symbols)`.
    ///
    /// # Panics
    /// If an id is past the embedding.
    pub fn encode(&self, stepper: &mut Stepper, ids: &[u32]) -> Features {
        let width = self.embedding.shape[1];
        let columns: Vec<f32> = ids
            .iter()
            .flat_map(|&id| &self.embedding.values[id as usize * width..][..width])
            .copied()
            .collect();
        let mut x = Features::from_columns(&columns, width);
        for layer in &self.prenet {
            x = layer.forward(&x);
            activation::relu(&mut x.values);
        }
        self.encoder.forward(stepper, &x)
    }

    /// What the post-net hears in a mel `(n_mels, n_frames)`: `(n_channels, n_frames)`.
    pub fn postnet(&self, stepper: &mut Stepper, mel: &Features) -> Features {
        self.postnet.forward(stepper, mel)
    }

    /// The linear spectrogram `(n_bins, n_frames)` of what [`Network::postnet`] heard.
    pub fn linear(&self, heard: &Features) -> Features {
        self.linear.forward(heard)
    }
}
