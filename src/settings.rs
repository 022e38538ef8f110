//! What the user chose, as TOML, shared by the window and the commands.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        AdapterChoice, DeviceChoice, ProsodyControls, Sampling, Speculative, VocoderChoice,
        VoiceOptions,
    },
    files,
};

/// Every choice, with its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How the window looks.
    pub appearance: Appearance,
    /// How speech is made.
    pub speak: Speak,
    /// How replies are written.
    pub chat: Chat,
    /// Where sound goes.
    pub audio: Audio,
    /// What the engine may take.
    pub engine: Engine,
}

/// How the window looks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Appearance {
    /// Dark, light, or as the system has it.
    pub theme: Theme,
    /// Scale of everything; 1.0 is the system's.
    pub zoom: f32,
    /// Colours of spectrograms.
    pub color_map: ColorMap,
}

/// Dark or light.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Quiet greys on dark.
    #[default]
    Dark,
    /// Quiet greys on light.
    Light,
    /// Whatever the system prefers.
    System,
}

/// Colours of spectrograms; all perceptually even.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMap {
    /// Black through red to light yellow.
    #[default]
    Magma,
    /// Blue through green to yellow.
    Viridis,
    /// Black to white.
    Greys,
}

/// How speech is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Speak {
    /// Id of the voice.
    pub voice: String,
    /// Ids of further voices that the Speak page speaks the text with, each in a take of its own.
    pub beside: Vec<String>,
    /// What makes sound of the mel.
    pub vocoder: VocoderChoice,
    /// Pace, pitch and energy.
    pub controls: ProsodyControls,
    /// What only some voices have.
    pub options: VoiceOptions,
    /// Seed of everything random.
    pub seed: u64,
}

/// How replies are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// Id of the language model.
    pub model: String,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens of a reply at most.
    pub max_tokens: usize,
    /// Instructions above each new conversation; empty takes the model's own.
    pub system_prompt: String,
    /// How several tokens may be had from one pass.
    pub speculative: Speculative,
    /// Whether replies are spoken while they are written.
    pub read_aloud: bool,
    /// The rack: adapters that were ever put on, in their order.
    pub adapters: Vec<AdapterSlot>,
}

/// A place in the rack of adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterSlot {
    /// Id of an adapter of the library, or the path of one.
    pub id: String,
    /// Factor on all that it changes; 1 is what it was trained for.
    pub scale: f32,
    /// Whether replies are written with it.
    pub is_on: bool,
}

impl AdapterSlot {
    /// Whether it is not of the library.
    pub fn is_path(&self) -> bool {
        std::path::Path::new(&self.id).is_absolute()
    }
}

impl Chat {
    /// The adapters that replies are written with.
    pub fn adapters_on(&self) -> Vec<AdapterChoice> {
        let choice = |slot: &AdapterSlot| AdapterChoice { id: slot.id.clone(), scale: slot.scale };
        self.adapters.iter().filter(|slot| slot.is_on).map(choice).collect()
    }
}

/// Where sound goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// Id of the output device as `formant devices` lists it; empty takes the system's default.
    pub device: String,
}

/// What the engine may take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// What language models run on.
    pub device: DeviceChoice,
    /// Threads of the language models; zero takes one for each physical core, up to four.
    pub threads: usize,
    /// Keys and values of all replies together, in MB; a reply waits until its own fit. Zero takes an
    /// eighth of the machine's memory.
    pub kv_cache_mb: u32,
}

impl Engine {
    /// More threads than this are not started, whatever the file says.
    pub const MOST_THREADS: usize = 64;

    /// Threads to ask for; zero stands for as many as serve the machine.
    pub fn n_threads(&self) -> usize {
        self.threads.min(Self::MOST_THREADS)
    }

    /// What keys and values may take; zero stands for a share of the machine's memory.
    pub fn kv_budget_bytes(&self) -> u64 {
        u64::from(self.kv_cache_mb) * 1_000_000
    }
}

impl Default for Appearance {
    fn default() -> Self {
        Self { theme: Theme::default(), zoom: 1.0, color_map: ColorMap::default() }
    }
}

impl Default for Speak {
    fn default() -> Self {
        Self {
            voice: "joe-fastspeech2".to_owned(),
            beside: Vec::new(),
            vocoder: VocoderChoice::default(),
            controls: ProsodyControls::default(),
            options: VoiceOptions::default(),
            seed: 0,
        }
    }
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            model: "smollm2-135m-instruct".to_owned(),
            // What the makers of the default model recommend for chat.
            sampling: Sampling { temperature: 0.2, top_p: 0.9, ..Sampling::default() },
            max_tokens: 512,
            system_prompt: String::new(),
            speculative: Speculative::NGRAM,
            read_aloud: false,
            adapters: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings; a file that is not there gives the defaults.
    ///
    /// # Errors
    /// If the file is there but cannot be read or understood; the message names the place in it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(why) => return Err(Error::File { why, path: path.to_owned() }),
        };
        toml::from_str(&text).map_err(|error| Error::Syntax {
            why: error.message().to_owned(),
            line: error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count()),
            path: path.to_owned(),
        })
    }

    /// Writes the settings; readers see the old file or the new one, never half of one.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string_pretty(self).map_err(|error| Error::Syntax {
            why: error.to_string(),
            line: 1,
            path: path.to_owned(),
        })?;
        files::write_atomically(path, text.as_bytes())
            .map_err(|why| Error::File { why, path: path.to_owned() })
    }
}

/// Why settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file itself.
    #[error("cannot use the settings file ({why}){}: {}", files::advice(why), path.display())]
    File {
        /// What the system says.
        why: io::Error,
        /// Which file.
        path: PathBuf,
    },
    /// Its text.
    #[error("line {line} of the settings is not understood ({why}); mend it or delete the file: {}", path.display())]
    Syntax {
        /// What is wrong.
        why: String,
        /// Where, from one.
        line: usize,
        /// In which file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/settings.toml");
        let mut settings = Settings::default();
        settings.appearance.theme = Theme::Light;
        settings.chat.sampling.seed = 7;
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), settings);
    }

    #[test]
    fn a_missing_file_gives_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::load(&folder.path().join("none.toml")).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, "[appearance]\nzoom = 1.0\ntheme = \"mauve\"\n").unwrap();
        let message = Settings::load(&path).unwrap_err().to_string();
        assert!(message.contains("line 3"), "{message}");
        assert!(message.contains("mauve"), "{message}");
    }
}
