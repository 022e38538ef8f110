//! What every vocoder can do.

use crate::{
    domain::{LinearSpectrogram, MelConfig, MelSpectrogram, Waveform},
    job::Cancelled,
    tts::Error,
};

/// A spectrogram that is to be heard, perhaps before it is whole.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// All frames that stand; they do not change any more.
    pub mel: &'a MelSpectrogram,
    /// The same as a linear spectrogram, from models that make one at the end.
    pub linear: Option<&'a LinearSpectrogram>,
    /// Whether no frame will follow.
    pub is_whole: bool,
    /// Seed of everything random: same seed, same sound.
    pub seed: u64,
}

/// Is handed each stretch of samples as soon as it is ready, in order; an empty one only asks
/// whether the sound is still wanted.
pub type OnSamples<'a> = &'a mut dyn FnMut(&[f32]) -> Result<(), Cancelled>;

/// Mel to sound.
pub trait Vocoder: Send {
    /// Memory of its weights.
    fn n_bytes(&self) -> u64;

    /// The mel that it has learned; `None` if it reads any.
    fn mel_config(&self) -> Option<&MelConfig>;

    /// Sounds as many frames as can be sounded, from `from` on, and returns where it stopped. Pieces
    /// give what the whole gives.
    ///
    /// # Errors
    /// If the vocoder cannot read this kind of mel, or `on_samples` no longer wants any.
    fn sound(
        &mut self,
        heard: &Heard<'_>,
        from: usize,
        on_samples: OnSamples<'_>,
    ) -> Result<usize, Error>;

    /// The sound of a whole mel.
    ///
    /// # Errors
    /// As [`Vocoder::sound`].
    fn vocode(
        &mut self,
        mel: &MelSpectrogram,
        on_samples: OnSamples<'_>,
    ) -> Result<Waveform, Error> {
        let mut waveform = Waveform { samples: Vec::new(), sample_rate: mel.config.sample_rate };
        let heard = Heard { mel, linear: None, is_whole: true, seed: 0 };
        self.sound(&heard, 0, &mut |samples| {
            waveform.samples.extend_from_slice(samples);
            on_samples(samples)
        })?;
        Ok(waveform)
    }
}

/// Refuses a mel that differs from what a vocoder was trained on.
///
/// The convention may be another one: it moves frames by half a hop, which nobody hears, and
/// published voices and vocoders are used together across it.
pub fn check_mel(found: &MelConfig, expected: &MelConfig) -> Result<(), Error> {
    let describe = |mel: &MelConfig| {
        format!(
            "{} bands from {} to {} Hz every {} of {} samples a second (window {})",
            mel.n_mels, mel.f_min, mel.f_max, mel.hop_length, mel.sample_rate, mel.win_length,
        )
    };
    if (MelConfig { convention: expected.convention, ..found.clone() }) == *expected {
        return Ok(());
    }
    Err(Error::MelMismatch { found: describe(found), expected: describe(expected) })
}
