//! What made a piece of speech, and how long it took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GivenProsody, Pronunciations, ProsodyControls, VoiceOptions, Waveform};

/// What turns a mel into sound; in files and commands a word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum VocoderChoice {
    /// The neural vocoder of the bundled voices.
    #[default]
    HifiGan,
    /// Phase reconstruction; no weights, robotic, always available.
    GriffinLim,
    /// A neural vocoder in the library, by its id.
    Model(String),
}

impl VocoderChoice {
    /// Choices that need no import, in the order they are shown.
    pub const ALWAYS: [Self; 2] = [Self::HifiGan, Self::GriffinLim];

    /// Its name in the window.
    pub fn label(&self) -> &str {
        match self {
            Self::HifiGan => "HiFi-GAN",
            Self::GriffinLim => "Griffin-Lim",
            Self::Model(id) => id,
        }
    }
}

impl From<String> for VocoderChoice {
    fn from(word: String) -> Self {
        match word.as_str() {
            "hifigan" => Self::HifiGan,
            "griffin-lim" => Self::GriffinLim,
            _ => Self::Model(word),
        }
    }
}

impl From<VocoderChoice> for String {
    fn from(choice: VocoderChoice) -> Self {
        match choice {
            VocoderChoice::HifiGan => "hifigan".to_owned(),
            VocoderChoice::GriffinLim => "griffin-lim".to_owned(),
            VocoderChoice::Model(id) => id,
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
    /// What only some voices have.
    #[serde(default)]
    pub options: VoiceOptions,
    /// Words of the user's dictionary that were used, as they were said.
    #[serde(default, skip_serializing_if = "Pronunciations::is_empty")]
    pub pronunciations: Pronunciations,
    /// What was given in place of predictions, sentence by sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<GivenProsody>,
    /// Seed of everything random.
    pub seed: u64,
    /// Version of Formant.
    pub version: String,
    /// What it ran on.
    pub device: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocoder_is_a_word() {
        for (word, choice) in [
            ("hifigan", VocoderChoice::HifiGan),
            ("griffin-lim", VocoderChoice::GriffinLim),
            ("my-wavenet", VocoderChoice::Model("my-wavenet".into())),
        ] {
            assert_eq!(serde_json::to_value(&choice).unwrap(), word);
            assert_eq!(serde_json::from_value::<VocoderChoice>(word.into()).unwrap(), choice);
        }
    }
}
