//! Pitch and energy of phonemes, and the knobs that scale them.

use serde::{Deserialize, Serialize};

/// One value per phoneme.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Prosody {
    /// Mean fundamental frequency in Hz; zero where nothing is voiced.
    pub f0_hz: Vec<f32>,
    /// Mean energy: the L2 norm over the linear mel bands of a frame.
    pub energy: Vec<f32>,
}

/// What takes the place of a voice's own prediction in one sentence, a value for each phoneme; what
/// is `None` is predicted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenProsody {
    /// Frames of each phoneme, which pace and length scale leave as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durations: Option<Vec<u32>>,
    /// Pitch in Hz, before the factor of the controls; zero leaves what was predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f0_hz: Option<Vec<f32>>,
    /// Energy, before the factor of the controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<Vec<f32>>,
}

impl GivenProsody {
    /// Whether all is as predicted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the voice departs from what it would do by itself; every factor is 1.0 for "as predicted".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProsodyControls {
    /// Speaking rate: 2.0 takes half the time (`FastPitch`'s sense of pace).
    #[serde(serialize_with = "super::decimal::serialize")]
    pub pace: f32,
    /// Factor on the predicted fundamental frequency.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub pitch: f32,
    /// Factor on the predicted energy.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub energy: f32,
}

impl Default for ProsodyControls {
    fn default() -> Self {
        Self { pace: 1.0, pitch: 1.0, energy: 1.0 }
    }
}

impl ProsodyControls {
    /// The range that each factor accepts.
    pub const RANGE: std::ops::RangeInclusive<f32> = 0.25..=4.0;
}
