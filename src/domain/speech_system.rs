//! A speech system as it is put to the test: a voice or none, a vocoder, and how both are led.
//!
//! In commands and files it is a word: `joe-matcha:steps=2:vocoder=griffin-lim`. Without a voice it is
//! a vocoder that sounds the mels of recordings: `copy:hifigan`.

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::{
    AttentionWindow, Control, DurationChoice, ModelKind, ProsodyControls, VocoderChoice,
    VoiceOptions, WindowChoice,
};

/// What a system is called that has no voice.
const COPY: &str = "copy";

/// A voice with a vocoder, and how they are led.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeechSystem {
    /// Id of the voice; `None` sounds the mels of recordings (copy synthesis).
    pub voice: Option<String>,
    /// What makes sound of the mel.
    pub vocoder: VocoderChoice,
    /// Pace, pitch and energy.
    #[serde(default)]
    pub controls: ProsodyControls,
    /// What only some voices have.
    #[serde(default)]
    pub options: VoiceOptions,
}

impl SpeechSystem {
    /// A voice as it is led by default.
    pub fn of_voice(id: &str) -> Self {
        Self { voice: Some(id.to_owned()), ..Self::default() }
    }

    /// Copy synthesis by a vocoder.
    pub fn copy_by(vocoder: VocoderChoice) -> Self {
        Self { vocoder, ..Self::default() }
    }

    /// Reads a word as above.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(word: &str) -> Result<Self, String> {
        let (id, options) = word.trim().split_once(':').unwrap_or((word.trim(), ""));
        if id.is_empty() {
            return Err("a system begins with the id of a voice, as in joe-matcha:steps=2".into());
        }
        let mut system = Self::of_voice(id);
        if id == COPY {
            system.voice = None;
            if !options.is_empty() {
                system.vocoder = options.to_owned().into();
            }
            return Ok(system);
        }
        system.lead(options)?;
        Ok(system)
    }

    /// Reads options, `steps=2:temperature=0.5`, and leads the system by them.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence.
    pub fn lead(&mut self, options: &str) -> Result<(), String> {
        let options = options.split([':', ' ']).filter(|option| !option.is_empty());
        for option in options {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("{option} is no option; write it as steps=2"))?;
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let factors = ProsodyControls::RANGE;
        let Self { vocoder, controls, options, .. } = self;
        match name {
            "vocoder" => *vocoder = value.to_owned().into(),
            "pace" => controls.pace = within(name, value, factors)?,
            "pitch" => controls.pitch = within(name, value, factors)?,
            "energy" => controls.energy = within(name, value, factors)?,
            "steps" => options.steps = within(name, value, VoiceOptions::STEPS)?,
            "temperature" => {
                options.temperature = within(name, value, VoiceOptions::TEMPERATURES)?;
            }
            "length-scale" => {
                options.length_scale = within(name, value, VoiceOptions::LENGTH_SCALES)?;
            }
            "durations" => {
                options.durations = match value {
                    "predicted" => DurationChoice::Predicted,
                    "drawn" => DurationChoice::Drawn,
                    _ => return Err(format!("durations are predicted or drawn, not {value}")),
                }
            }
            "gate-threshold" => {
                options.gate_threshold = within(name, value, VoiceOptions::GATE_THRESHOLDS)?;
            }
            "window" if value == "off" => options.window = WindowChoice::Off,
            "window" => {
                let reach = |text| within(name, text, VoiceOptions::WINDOW_REACH);
                let (back, ahead) = value
                    .split_once('-')
                    .ok_or("a window is BACK-AHEAD in phonemes, as in window=1-4, or off")?;
                options.window = WindowChoice::Held(AttentionWindow {
                    back: reach(back)?,
                    ahead: reach(ahead)?,
                });
            }
            _ => {
                return Err(format!(
                    "there is no option {name}; there are vocoder, {}",
                    CONTROLS.map(|(_, name)| name).join(", ")
                ));
            }
        }
        Ok(())
    }

    /// The first control that is set away from its default and that a kind of voice does not heed.
    pub fn unheeded(&self, kind: ModelKind) -> Option<Control> {
        let heeded = kind.controls();
        let set = CONTROLS.iter().filter(|(control, _)| self.setting(*control).is_some());
        set.map(|(control, _)| *control).find(|control| !heeded.contains(control))
    }

    /// Options that are set away from their defaults, as they are written: `steps=2`.
    pub fn options_text(&self) -> String {
        let set = CONTROLS
            .iter()
            .filter_map(|(control, name)| Some(format!("{name}={}", self.setting(*control)?)));
        let mut parts: Vec<String> = set.collect();
        if self.vocoder != VocoderChoice::default() {
            parts.push(format!("vocoder={}", String::from(self.vocoder.clone())));
        }
        parts.join(":")
    }

    /// The value of a control that is not at its default.
    fn setting(&self, control: Control) -> Option<String> {
        let (own, usual) = (&self.options, VoiceOptions::default());
        let number = |own: f32, usual: f32| (own != usual).then(|| own.to_string());
        match control {
            Control::Pace => number(self.controls.pace, 1.0),
            Control::Pitch => number(self.controls.pitch, 1.0),
            Control::Energy => number(self.controls.energy, 1.0),
            Control::Steps => (own.steps != usual.steps).then(|| own.steps.to_string()),
            Control::Temperature => number(own.temperature, usual.temperature),
            Control::LengthScale => number(own.length_scale, usual.length_scale),
            Control::Durations => {
                (own.durations == DurationChoice::Drawn).then(|| "drawn".to_owned())
            }
            Control::GateThreshold => number(own.gate_threshold, usual.gate_threshold),
            Control::Window => match own.window {
                WindowChoice::AsVoice => None,
                WindowChoice::Off => Some("off".to_owned()),
                WindowChoice::Held(window) => Some(format!("{}-{}", window.back, window.ahead)),
            },
        }
    }
}

/// Every control with its word.
const CONTROLS: [(Control, &str); 9] = [
    (Control::Pace, "pace"),
    (Control::Pitch, "pitch"),
    (Control::Energy, "energy"),
    (Control::Steps, "steps"),
    (Control::Temperature, "temperature"),
    (Control::LengthScale, "length-scale"),
    (Control::Durations, "durations"),
    (Control::GateThreshold, "gate-threshold"),
    (Control::Window, "window"),
];

impl Control {
    /// Its word in options of a system: `length-scale`.
    pub fn key(self) -> &'static str {
        CONTROLS.iter().find(|(control, _)| *control == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for SpeechSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(voice) = &self.voice else {
            return write!(f, "{COPY}:{}", String::from(self.vocoder.clone()));
        };
        let options = self.options_text();
        let colon = if options.is_empty() { "" } else { ":" };
        write!(f, "{voice}{colon}{options}")
    }
}

fn within<T>(name: &str, value: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        format!("{name} is {value}; it must lie in {} to {}", range.start(), range.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str) -> SpeechSystem {
        let system = SpeechSystem::parse(word).unwrap();
        assert_eq!(system.to_string(), word);
        system
    }

    #[test]
    fn a_system_is_a_word_and_back() {
        assert_eq!(check("joe-fastspeech2"), SpeechSystem::of_voice("joe-fastspeech2"));
        let matcha = check("joe-matcha:steps=2:temperature=0.5:vocoder=griffin-lim");
        assert_eq!(matcha.options.steps, 2);
        assert_eq!(matcha.vocoder, VocoderChoice::GriffinLim);
        check("joe-tacotron2:gate-threshold=0.4:window=1-4");
        check("joe-matcha:length-scale=1.2:durations=drawn");
        check("copy:griffin-lim");
        assert_eq!(SpeechSystem::parse("copy").unwrap().to_string(), "copy:hifigan");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (word, part) in [
            ("joe-matcha:steps", "write it as steps=2"),
            ("joe-matcha:steps=900", "1 to 100"),
            ("joe-matcha:speed=2", "there is no option speed"),
            ("joe-tacotron:window=3", "BACK-AHEAD"),
            ("", "begins with the id"),
        ] {
            let error = SpeechSystem::parse(word).unwrap_err();
            assert!(error.contains(part), "{word}: {error}");
        }
    }

    #[test]
    fn a_control_that_a_voice_does_not_heed_is_found() {
        let system = SpeechSystem::parse("joe:steps=2").unwrap();
        assert_eq!(system.unheeded(ModelKind::Matcha), None);
        assert_eq!(system.unheeded(ModelKind::FastSpeech2), Some(Control::Steps));
        // What is at its default is not set.
        assert_eq!(SpeechSystem::parse("joe:steps=4").unwrap().unheeded(ModelKind::Tacotron), None);
    }
}
