//! Matcha-TTS as tensors in, tensors out.
//!
//! Source: "Matcha-TTS", <https://arxiv.org/abs/2309.03199>; order and layout as in matcha-tts 0.0.7
//! `models/matcha_tts.py`, method `synthesise`. Every size is read from the tensors' shapes, only the
//! numbers of heads are not in them.

use crate::{
    nn::{Conv1d, Features, Scope, WeightsError},
    tts::acoustic::matcha::{
        duration::{Durations, Rounding},
        encoder::{TextEncoder, conv},
        unet::UNet,
    },
};

/// Attention heads, which no shape tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// In the text encoder.
    pub encoder: usize,
    /// In the U-Net.
    pub decoder: usize,
}

/// All layers of one voice.
#[derive(Debug, Clone)]
pub struct Network {
    encoder: TextEncoder,
    mu: Conv1d,
    durations: Durations,
    decoder: UNet,
}

/// What the encoder says of each symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// `(width, n_symbols)`.
    pub hidden: Features,
    /// The mel that each symbol has in the middle, normalized: `(n_mels, n_symbols)`.
    pub mu: Features,
}

impl Network {
    /// Reads all layers.
    ///
    /// # Errors
    /// If a tensor is missing or its shape does not fit the others.
    pub fn load(scope: &Scope<'_>, heads: Heads) -> Result<Self, WeightsError> {
        let encoder_scope = scope.scope("encoder");
        let encoder = TextEncoder::load(&encoder_scope, heads.encoder)?;
        let width = encoder.width();
        let mu = conv(&encoder_scope, "proj_m", width, None)?;
        let durations = Durations::load(&encoder_scope.scope("proj_w"), width)?;
        let decoder = UNet::load(&scope.scope("decoder.estimator"), mu.n_out(), heads.decoder)?;
        Ok(Self { encoder, mu, durations, decoder })
    }

    /// Rows of the embedding.
    pub fn n_symbols(&self) -> usize {
        self.encoder.n_symbols()
    }

    /// Channels of what the encoder says.
    pub fn width(&self) -> usize {
        self.encoder.width()
    }

    /// Bands of the mel.
    pub fn n_mels(&self) -> usize {
        self.mu.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.encoder.n_bytes()
            + self.mu.n_bytes()
            + self.durations.n_bytes()
            + self.decoder.n_bytes()
    }

    /// What predicts durations.
    pub fn durations(&self) -> &Durations {
        &self.durations
    }

    /// What turns noise into a mel.
    pub fn decoder(&self) -> &UNet {
        &self.decoder
    }

    /// Symbols to what the other parts hear.
    ///
    /// # Panics
    /// If an id is past the embedding.
    pub fn encode(&self, ids: &[u32]) -> Encoded {
        let hidden = self.encoder.forward(ids);
        let mu = self.mu.forward(&hidden);
        Encoded { hidden, mu }
    }

    /// Frames of each symbol from the logarithms of its durations.
    pub fn frames(log_durations: &[f32], rounding: Rounding, length_scale: f32) -> Vec<u32> {
        // Whole frames are scaled, so that a symbol may end within a frame; a frame belongs to
        // the symbol that it begins in.
        let mut end = 0.0;
        let ends: Vec<f32> = log_durations
            .iter()
            .map(|&log_duration| {
                end += rounding.frames(log_duration) * length_scale;
                end
            })
            .collect();
        let n_frames = (end as u32).max(1);
        let mut begin = 0;
        let mut frames: Vec<u32> = ends
            .iter()
            .map(|end| {
                let end = (end.ceil() as u32).clamp(begin, n_frames.max(begin));
                let frames = end - begin;
                begin = end;
                frames
            })
            .collect();
        if begin < n_frames
            && let Some(last) = frames.last_mut()
        {
            *last += n_frames - begin;
        }
        frames
    }

    /// Repeats each symbol's mean for its frames and pads with zeros to a length that the decoder
    /// takes.
    pub fn spread(&self, mu: &Features, frames: &[u32]) -> Features {
        let symbol_of_frame: Vec<usize> = frames
            .iter()
            .enumerate()
            .flat_map(|(symbol, &n)| std::iter::repeat_n(symbol, n as usize))
            .collect();
        let n_frames = symbol_of_frame.len();
        let mut spread =
            Features::zeros(mu.n_channels, n_frames.next_multiple_of(self.decoder.length_unit()));
        for channel in 0..mu.n_channels {
            let source = mu.row(channel);
            for (value, &symbol) in spread.row_mut(channel).iter_mut().zip(&symbol_of_frame) {
                *value = source[symbol];
            }
        }
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frames: &[f32], length_scale: f32, expected: &[u32]) {
        let logs: Vec<f32> = frames.iter().map(|frames| (frames - 0.5).ln()).collect();
        assert_eq!(Network::frames(&logs, Rounding::Ceil, length_scale), expected);
    }

    #[test]
    fn a_frame_belongs_to_the_symbol_that_it_begins_in() {
        check(&[2.0, 3.0, 1.0], 1.0, &[2, 3, 1]);
        // Symbols end at 1.5, 3 and 4.5; the half frame at the end is cut.
        check(&[1.0, 1.0, 1.0], 1.5, &[2, 1, 1]);
        check(&[1.0, 1.0, 1.0], 0.25, &[1, 0, 0]);
    }

    #[test]
    fn there_is_always_a_frame() {
        assert_eq!(Network::frames(&[f32::NAN, f32::NAN], Rounding::Ceil, 1.0), [0, 1]);
        assert_eq!(Network::frames(&[-50.0], Rounding::Ceil, 0.25), [1]);
    }
}
