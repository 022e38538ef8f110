//! FastSpeech 2 as tensors in, tensors out, in the units it was trained in.
//!
//! Source: SpeechBrain 1.1 `lobes/models/FastSpeech2.py`, class `FastSpeech2` and `SPNPredictor`;
//! every size is read from the tensors' shapes, only the number of heads is not in them.
//! Order: encode, durations and pitch from the encoding, energy from encoding plus pitch, then all
//! three into the decoder.

use crate::{
    nn::{Conv1d, Features, Scope, Sight, WeightsError},
    tts::acoustic::fastspeech2::blocks::{Encoder, PostNet, Predictor, conv, linear},
};

/// The tensor whose rows are the symbols.
pub const EMBEDDING: &str = "encPreNet.token_embedding.Embedding.weight";

/// Frames that one phoneme may take, so that damaged weights cannot ask for all memory.
const MAX_PHONEME_FRAMES: f32 = 2000.0;

/// Attention heads, which no shape tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// In the encoder, and where pauses are predicted.
    pub encoder: usize,
    /// In the decoder.
    pub decoder: usize,
}

/// What the shapes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of the embedding.
    pub n_symbols: usize,
    /// Width of the model.
    pub d_model: usize,
    /// Bands of the mel.
    pub n_mels: usize,
}

/// All layers of one voice.
#[derive(Debug, Clone)]
pub struct Network {
    sizes: Sizes,
    embedding: Vec<f32>,
    encoder: Encoder,
    durations: Predictor,
    pitch: Predictor,
    energy: Predictor,
    pitch_embedding: Conv1d,
    energy_embedding: Conv1d,
    decoder: Encoder,
    linear: Conv1d,
    postnet: PostNet,
    silences: Option<SilencePredictor>,
}

impl Network {
    /// Reads all layers; a scope `spn_predictor` is read too if there is one.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, heads: Heads) -> Result<Self, WeightsError> {
        let (embedding, sizes) = embedding(scope, heads)?;
        let d_model = sizes.d_model;
        let n_mels = scope.folded("linear.w", &[None, Some(d_model)])?.shape[0];
        let silences = scope
            .contains("spn_predictor")
            .then(|| SilencePredictor::load(&scope.scope("spn_predictor"), heads))
            .transpose()?;
        Ok(Self {
            sizes: Sizes { n_mels, ..sizes },
            embedding,
            encoder: Encoder::load(&scope.scope("encoder"), d_model, heads.encoder)?,
            durations: Predictor::load(&scope.scope("durPred"), d_model)?,
            pitch: Predictor::load(&scope.scope("pitchPred"), d_model)?,
            energy: Predictor::load(&scope.scope("energyPred"), d_model)?,
            pitch_embedding: conv(scope, "pitchEmbed", 1, d_model)?,
            energy_embedding: conv(scope, "energyEmbed", 1, d_model)?,
            decoder: Encoder::load(&scope.scope("decoder"), d_model, heads.decoder)?,
            linear: linear(scope, "linear.w", d_model, n_mels)?,
            postnet: PostNet::load(&scope.scope("postnet"), n_mels)?,
            silences,
        })
    }

    /// What the shapes tell.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let encoders = self.encoder.n_bytes() + self.decoder.n_bytes();
        let predictors = [&self.durations, &self.pitch, &self.energy];
        let predictors: u64 = predictors.into_iter().map(Predictor::n_bytes).sum();
        let silences = self.silences.as_ref().map_or(0, |silences| silences.encoder.n_bytes());
        encoders
            + predictors
            + silences
            + self.postnet.n_bytes()
            + (self.embedding.len() * size_of::<f32>()) as u64
    }

    /// Phonemes to `(d_model, n_phonemes)`.
    ///
    /// # Panics
    /// If an id is past the embedding.
    pub fn encode(&self, ids: &[u32]) -> Features {
        let x = embed(&self.embedding, self.sizes.d_model, ids);
        self.encoder.forward(&x, Sight::Full)
    }

    /// `ln(1 + frames)` of each phoneme, from the encoding.
    pub fn log_durations(&self, encoded: &Features) -> Vec<f32> {
        self.durations.forward(encoded)
    }

    /// Normalized pitch of each phoneme, from the encoding.
    pub fn pitch(&self, encoded: &Features) -> Vec<f32> {
        self.pitch.forward(encoded)
    }

    /// Adds what normalized pitch means to the encoding.
    pub fn add_pitch(&self, hidden: &mut Features, pitch: &[f32]) {
        hidden.add(&self.pitch_embedding.forward(&track(pitch)));
    }

    /// Normalized energy of each phoneme, from the encoding with pitch added.
    pub fn energy(&self, hidden: &Features) -> Vec<f32> {
        self.energy.forward(hidden)
    }

    /// Adds what normalized energy means to the encoding.
    pub fn add_energy(&self, hidden: &mut Features, energy: &[f32]) {
        hidden.add(&self.energy_embedding.forward(&track(energy)));
    }

    /// Repeats each phoneme for its frames and decodes: `(d_model, n_frames)`.
    pub fn decode(&self, hidden: &Features, durations: &[u32]) -> Features {
        let phoneme_of_frame: Vec<usize> = durations
            .iter()
            .enumerate()
            .flat_map(|(phoneme, &frames)| std::iter::repeat_n(phoneme, frames as usize))
            .collect();
        self.decoder.forward(&hidden.select(&phoneme_of_frame), Sight::Full)
    }

    /// The mel before the post-net, `(n_mels, n_frames)`, from the decoding.
    pub fn mel_before_postnet(&self, decoded: &Features) -> Features {
        self.linear.forward(decoded)
    }

    /// The mel after the post-net, `(n_mels, n_frames)`.
    pub fn mel(&self, before_postnet: &Features) -> Features {
        let mut mel = self.postnet.forward(before_postnet);
        mel.add(before_postnet);
        mel
    }

    /// How likely a pause follows each phoneme, as logits; `None` without such a predictor.
    ///
    /// `ends_word` is 1 for a word's last phoneme and 0 for others.
    pub fn silence_logits(&self, ids: &[u32], ends_word: &[f32]) -> Option<Vec<f32>> {
        Some(self.silences.as_ref()?.forward(ids, ends_word))
    }
}

/// `⌊factor · (e^x − 1)⌋` frames, never below zero: cut, not rounded, as SpeechBrain does.
pub fn frames(log_duration: f32, factor: f32) -> u32 {
    (factor * log_duration.exp_m1().max(0.0)).min(MAX_PHONEME_FRAMES) as u32
}

/// Tells where a reader would pause; made for texts whose punctuation the voice does not see.
#[derive(Debug, Clone)]
struct SilencePredictor {
    embedding: Vec<f32>,
    d_model: usize,
    encoder: Encoder,
    linear: Conv1d,
}

impl SilencePredictor {
    fn load(scope: &Scope<'_>, heads: Heads) -> Result<Self, WeightsError> {
        let (embedding, Sizes { d_model, .. }) = embedding(scope, heads)?;
        Ok(Self {
            embedding,
            d_model,
            encoder: Encoder::load(&scope.scope("spn_encoder"), d_model, heads.encoder)?,
            linear: linear(scope, "spn_linear.w", d_model, 1)?,
        })
    }

    fn forward(&self, ids: &[u32], ends_word: &[f32]) -> Vec<f32> {
        let mut x = embed(&self.embedding, self.d_model, ids);
        for channel in 0..self.d_model {
            for (value, ends_word) in x.row_mut(channel).iter_mut().zip(ends_word) {
                *value += ends_word;
            }
        }
        self.linear.forward(&self.encoder.forward(&x, Sight::Causal)).values
    }
}

fn embedding(scope: &Scope<'_>, heads: Heads) -> Result<(Vec<f32>, Sizes), WeightsError> {
    let table = scope.shaped(EMBEDDING, &[None, None])?;
    let (n_symbols, d_model) = (table.shape[0], table.shape[1]);
    for n_heads in [heads.encoder, heads.decoder] {
        if n_heads == 0 || !d_model.is_multiple_of(n_heads) {
            let expected = format!("a width that {n_heads} attention heads divide");
            return Err(scope.unexpected(EMBEDDING, expected));
        }
    }
    Ok((table.values.clone(), Sizes { n_symbols, d_model, n_mels: 0 }))
}

fn embed(table: &[f32], d_model: usize, ids: &[u32]) -> Features {
    let columns: Vec<f32> = ids
        .iter()
        .flat_map(|&id| &table[id as usize * d_model..(id as usize + 1) * d_model])
        .copied()
        .collect();
    Features::from_columns(&columns, d_model)
}

fn track(values: &[f32]) -> Features {
    Features { values: values.to_vec(), n_channels: 1, len: values.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_cut_not_rounded() {
        let log_of = |frames: f32| frames.ln_1p();
        assert_eq!(frames(log_of(2.99), 1.0), 2);
        assert_eq!(frames(log_of(3.01), 1.0), 3);
        assert_eq!(frames(log_of(3.01), 0.5), 1);
        assert_eq!(frames(-4.0, 1.0), 0);
        assert_eq!(frames(f32::NAN, 1.0), 0);
        assert_eq!(frames(80.0, 1.0), 2000);
    }
}
