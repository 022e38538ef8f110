//! How a voice is led beyond pace, pitch and energy.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// How far from where it has come a decoder may look, in phonemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionWindow {
    /// Back.
    pub back: u32,
    /// Ahead.
    pub ahead: u32,
}

/// Whether attention is held to a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowChoice {
    /// As the voice needs it.
    #[default]
    AsVoice,
    /// It may look anywhere.
    Off,
    /// This one.
    Held(AttentionWindow),
}

impl WindowChoice {
    /// The window of a voice that needs `voice`.
    pub fn resolve(self, voice: Option<AttentionWindow>) -> Option<AttentionWindow> {
        match self {
            Self::AsVoice => voice,
            Self::Off => None,
            Self::Held(window) => Some(window),
        }
    }
}

/// Where the durations of phonemes come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurationChoice {
    /// The likeliest ones.
    #[default]
    Predicted,
    /// Drawn from what is likely, by the seed; only some voices can.
    Drawn,
}

/// Options that only some kinds of voice have; see [`ModelKind::controls`](super::ModelKind::controls).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VoiceOptions {
    /// Steps from noise to mel.
    pub steps: u32,
    /// Factor on the noise that a mel begins as; 0 is the same each time, and flat.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub temperature: f32,
    /// Factor on predicted durations: 2 takes twice the time.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub length_scale: f32,
    /// Where durations come from.
    pub durations: DurationChoice,
    /// How sure a decoder must be that it has come to the end.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub gate_threshold: f32,
    /// What a decoder may look at.
    pub window: WindowChoice,
}

impl Default for VoiceOptions {
    fn default() -> Self {
        Self {
            steps: 4,
            temperature: 0.667,
            length_scale: 1.0,
            durations: DurationChoice::default(),
            gate_threshold: 0.5,
            window: WindowChoice::default(),
        }
    }
}

impl VoiceOptions {
    /// Steps that can be asked for.
    pub const STEPS: RangeInclusive<u32> = 1..=100;
    /// Temperatures that can be asked for.
    pub const TEMPERATURES: RangeInclusive<f32> = 0.0..=2.0;
    /// Length scales that can be asked for.
    pub const LENGTH_SCALES: RangeInclusive<f32> = 0.25..=4.0;
    /// Gate thresholds that can be asked for.
    pub const GATE_THRESHOLDS: RangeInclusive<f32> = 0.01..=0.99;
    /// Phonemes that a window can reach to either side.
    pub const WINDOW_REACH: RangeInclusive<u32> = 0..=100;
}

/// What can be set when a voice speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// Speaking rate.
    Pace,
    /// Factor on the pitch.
    Pitch,
    /// Factor on the energy.
    Energy,
    /// [`VoiceOptions::steps`].
    Steps,
    /// [`VoiceOptions::temperature`].
    Temperature,
    /// [`VoiceOptions::length_scale`].
    LengthScale,
    /// [`VoiceOptions::durations`].
    Durations,
    /// [`VoiceOptions::gate_threshold`].
    GateThreshold,
    /// [`VoiceOptions::window`].
    Window,
}

impl Control {
    /// Its name in sentences.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pace => "pace",
            Self::Pitch => "pitch",
            Self::Energy => "energy",
            Self::Steps => "steps",
            Self::Temperature => "temperature",
            Self::LengthScale => "length scale",
            Self::Durations => "durations",
            Self::GateThreshold => "gate threshold",
            Self::Window => "window",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stands_above_what_the_voice_needs() {
        let (voice, other) =
            (AttentionWindow { back: 1, ahead: 4 }, AttentionWindow { back: 3, ahead: 3 });
        assert_eq!(WindowChoice::AsVoice.resolve(Some(voice)), Some(voice));
        assert_eq!(WindowChoice::Off.resolve(Some(voice)), None);
        assert_eq!(WindowChoice::Held(other).resolve(Some(voice)), Some(other));
        assert_eq!(WindowChoice::AsVoice.resolve(None), None);
    }
}
