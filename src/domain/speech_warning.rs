//! What a listener should know of a piece of speech that was made all the same.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something about a take that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum SpeechWarning {
    /// The voice makes another kind of mel than the vocoder has learned.
    MelConverted,
    /// The voice's frames lie half a hop elsewhere than the vocoder's.
    FramesMoved {
        /// By how much all sound is moved, in milliseconds.
        millis: f64,
    },
    /// Sound as loud as no speech is.
    TurnedDown {
        /// How much of it was turned down.
        secs: f64,
        /// How loud the loudest moment was, in dB below full scale.
        loudest_dbfs: f64,
    },
    /// Samples that were no numbers.
    NotNumbers {
        /// How many.
        n_samples: usize,
    },
    /// Characters and symbols that have no sound with this voice.
    LeftOut {
        /// Each once, in the order they stand in the text.
        symbols: Vec<String>,
    },
    /// What stands in braces and is no pronunciation, so that it was read as text.
    NotArpabet {
        /// Each once, with the reason.
        told: Vec<String>,
    },
}

impl fmt::Display for SpeechWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MelConverted => f.write_str(
                "the vocoder has learned other mel bands than the voice makes; they were converted, \
                 which costs quality: choose the vocoder that belongs to the voice",
            ),
            Self::FramesMoved { millis } => write!(
                f,
                "the vocoder lays its frames half a hop from where the voice does, so all is heard \
                 {millis:.1} ms off; nothing else changes"
            ),
            Self::TurnedDown { secs, loudest_dbfs } => write!(
                f,
                "{secs:.2} s were louder than speech is ({loudest_dbfs:.1} dBFS) and were turned \
                 down; the vocoder may not fit the voice, or weights are damaged"
            ),
            Self::NotNumbers { n_samples } => write!(
                f,
                "{n_samples} samples were no numbers and are silence; weights are damaged or belong \
                 to another architecture"
            ),
            Self::LeftOut { symbols } => write!(
                f,
                "left out, since the voice has no sound for them: {}",
                symbols.join(" ")
            ),
            Self::NotArpabet { told } => write!(f, "read as text: {}", told.join("; ")),
        }
    }
}
