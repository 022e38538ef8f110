//! Tacotron 2's encoder: convolutions, then an LSTM from both ends.
//!
//! Source: "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions" §2.2,
//! <https://arxiv.org/abs/1712.05884>; layout as in NVIDIA/tacotron2 `model.py` at 185cd24.

use crate::{
    nn::{Array, Bidirectional, Conv1d, Features, Scope, Stepper, WeightsError, activation},
    tts::acoustic::tacotron2::postnet::normed_conv,
};

/// Symbols to hidden states.
#[derive(Debug)]
pub struct Encoder {
    embedding: Array,
    convs: Vec<Conv1d>,
    lstm: Bidirectional,
}

impl Encoder {
    /// Reads `embedding` and `encoder`.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>) -> Result<Self, WeightsError> {
        let embedding = scope.shaped("embedding.weight", &[None, None])?.clone();
        let scope = scope.scope("encoder");
        let mut width = embedding.shape[1];
        let convs = (0..scope.count("convolutions"))
            .map(|index| {
                let conv = normed_conv(&scope.scope(format!("convolutions.{index}")), width)?;
                width = conv.n_out();
                Ok(conv)
            })
            .collect::<Result<_, WeightsError>>()?;
        let lstm = Bidirectional::lstm(&scope.scope("lstm"), width)?;
        Ok(Self { embedding, convs, lstm })
    }

    /// Rows of the embedding.
    pub fn n_symbols(&self) -> usize {
        self.embedding.shape[0]
    }

    /// Channels it gives.
    pub fn n_out(&self) -> usize {
        self.lstm.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let embedding = (self.embedding.values.len() * size_of::<f32>()) as u64;
        let convs: u64 = self.convs.iter().map(Conv1d::n_bytes).sum();
        embedding + convs + self.lstm.n_bytes()
    }

    /// Symbols to `(n_out, n_symbols)`.
    ///
    /// # Panics
    /// If an id is past the embedding.
    pub fn forward(&self, stepper: &mut Stepper, ids: &[u32]) -> Features {
        let width = self.embedding.shape[1];
        let columns: Vec<f32> = ids
            .iter()
            .flat_map(|&id| &self.embedding.values[id as usize * width..][..width])
            .copied()
            .collect();
        let mut x = Features::from_columns(&columns, width);
        for conv in &self.convs {
            x = conv.forward(&x);
            activation::relu(&mut x.values);
        }
        self.lstm.forward(stepper, &x)
    }
}
