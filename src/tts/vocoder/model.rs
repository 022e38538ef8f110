//! What every vocoder can do.

use crate::{
    domain::{MelConfig, MelSpectrogram, Waveform},
    job::Cancelled,
    tts::Error,
};

/// Mel to sound.
pub trait Vocoder: Send {
    /// Memory of its weights.
    fn n_bytes(&self) -> u64;

    /// The sound of a mel; `on_samples` is handed each stretch as soon as it is ready, in order.
    ///
    /// # Errors
    /// If the vocoder cannot read this kind of mel, or `on_samples` no longer wants any.
    fn vocode(
        &mut self,
        mel: &MelSpectrogram,
        on_samples: &mut dyn FnMut(&[f32]) -> Result<(), Cancelled>,
    ) -> Result<Waveform, Error>;
}

/// Refuses a mel that differs from what a vocoder was trained on.
pub fn check_mel(found: &MelConfig, expected: &MelConfig) -> Result<(), Error> {
    let describe = |mel: &MelConfig| {
        format!(
            "{} bands from {} to {} Hz every {} of {} samples a second (window {}, {:?} frames)",
            mel.n_mels,
            mel.f_min,
            mel.f_max,
            mel.hop_length,
            mel.sample_rate,
            mel.win_length,
            mel.convention,
        )
    };
    if found == expected {
        return Ok(());
    }
    Err(Error::MelMismatch { found: describe(found), expected: describe(expected) })
}
