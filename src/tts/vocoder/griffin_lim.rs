//! Griffin-Lim as a vocoder: no weights, robotic, always there.

use crate::{
    domain::MelConfig,
    dsp::{self, Phase},
    tts::{
        Error,
        vocoder::model::{Heard, OnSamples, Vocoder},
    },
};

/// Phase reconstruction; see [`dsp::GriffinLim`] for the method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GriffinLim {
    /// Rounds of guessing the phase.
    pub n_iterations: usize,
    /// Momentum of the fast variant; zero is the plain one.
    pub momentum: f32,
}

impl Default for GriffinLim {
    /// 32 rounds of the fast variant, as librosa does.
    fn default() -> Self {
        Self { n_iterations: 32, momentum: 0.99 }
    }
}

impl Vocoder for GriffinLim {
    fn n_bytes(&self) -> u64 {
        0
    }

    fn mel_config(&self) -> Option<&MelConfig> {
        None
    }

    /// All at once, when the mel is whole: a phase depends on all frames around it.
    fn sound(
        &mut self,
        heard: &Heard<'_>,
        from: usize,
        on_samples: OnSamples<'_>,
    ) -> Result<usize, Error> {
        if !heard.is_whole || from >= heard.mel.n_frames() {
            return Ok(from);
        }
        let reconstruction = dsp::GriffinLim {
            n_iterations: self.n_iterations,
            momentum: self.momentum,
            phase: Phase::Random { seed: heard.seed },
        };
        // Nothing is ready before the end, but a client may have gone in the meantime.
        let mut on_round = || on_samples(&[]);
        let samples = match heard.linear {
            Some(linear) => reconstruction.invert_linear(linear, &mut on_round)?,
            None => reconstruction.invert_mel(heard.mel, &mut on_round)?,
        };
        on_samples(&samples)?;
        Ok(heard.mel.n_frames())
    }
}
