//! Griffin-Lim as a vocoder: no weights, robotic, always there.

use crate::{
    domain::{MelSpectrogram, Waveform},
    dsp::{self, Phase},
    job::Cancelled,
    tts::{Error, vocoder::Vocoder},
};

/// Phase reconstruction; see [`dsp::GriffinLim`] for the method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GriffinLim {
    /// Rounds of guessing the phase.
    pub n_iterations: usize,
    /// Momentum of the fast variant; zero is the plain one.
    pub momentum: f32,
    /// Seed of the first phases.
    pub seed: u64,
}

impl Default for GriffinLim {
    /// 32 rounds of the fast variant, as librosa does.
    fn default() -> Self {
        Self { n_iterations: 32, momentum: 0.99, seed: 0 }
    }
}

impl Vocoder for GriffinLim {
    fn n_bytes(&self) -> u64 {
        0
    }

    fn vocode(
        &mut self,
        mel: &MelSpectrogram,
        on_samples: &mut dyn FnMut(&[f32]) -> Result<(), Cancelled>,
    ) -> Result<Waveform, Error> {
        let reconstruction = dsp::GriffinLim {
            n_iterations: self.n_iterations,
            momentum: self.momentum,
            phase: Phase::Random { seed: self.seed },
        };
        // Nothing is ready before the end, but a client may have gone in the meantime.
        let samples = reconstruction.invert_mel(mel, &mut || on_samples(&[]))?;
        on_samples(&samples)?;
        Ok(Waveform { samples, sample_rate: mel.config.sample_rate })
    }
}
