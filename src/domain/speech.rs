//! What made a piece of speech, and how long it took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ProsodyControls, Waveform};

/// What turns a mel into sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VocoderChoice {
    /// The voice's neural vocoder.
    #[default]
    #[serde(rename = "hifigan")]
    HifiGan,
    /// Phase reconstruction; no weights, robotic, always available.
    #[serde(rename = "griffin-lim")]
    GriffinLim,
}

impl VocoderChoice {
    /// Every choice, in the order they are shown.
    pub const ALL: [Self; 2] = [Self::HifiGan, Self::GriffinLim];

    /// Its name in the window.
    pub fn label(self) -> &'static str {
        match self {
            Self::HifiGan => "HiFi-GAN",
            Self::GriffinLim => "Griffin-Lim",
        }
    }
}

/// Wall-clock figures of one utterance; model loading is kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeechTiming {
    /// Loading the models, if they were not loaded.
    pub load: Duration,
    /// Text to phonemes.
    pub front_end: Duration,
    /// Phonemes to mel.
    pub acoustic: Duration,
    /// Mel to sound.
    pub vocoder: Duration,
    /// From the start of synthesis (models loaded) to the first samples.
    pub first_audio: Duration,
    /// From the start of synthesis to the last sample.
    pub total: Duration,
}

impl SpeechTiming {
    /// Real-time factor: synthesis time over the duration of the sound; `None` for no sound.
    pub fn rtf(&self, waveform: &Waveform) -> Option<f64> {
        let duration_secs = waveform.duration_secs();
        (duration_secs > 0.0).then(|| self.total.as_secs_f64() / duration_secs)
    }
}

/// All that is needed to make a piece of speech again; travels with every take and every WAV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechRecord {
    /// What was typed.
    pub text: String,
    /// Id of the voice.
    pub voice: String,
    /// SHA-256 of its weights.
    pub voice_sha256: String,
    /// What made sound of the mel.
    pub vocoder: VocoderChoice,
    /// SHA-256 of the vocoder's weights; empty for Griffin-Lim.
    pub vocoder_sha256: String,
    /// Pace, pitch and energy.
    pub controls: ProsodyControls,
    /// Seed of everything random.
    pub seed: u64,
    /// Version of Formant.
    pub version: String,
    /// What it ran on.
    pub device: String,
}
