//! Where Formant keeps things on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The folders of one installation.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Fetched models, conversations.
    pub data: PathBuf,
    /// `settings.toml`.
    pub config: PathBuf,
    /// Models that come with Formant.
    pub bundled: PathBuf,
}

impl Folders {
    /// The folders of this user: `FORMANT_DATA` and `FORMANT_MODELS` if set, else what the system
    /// provides and the `models` folder nearest to the program.
    pub fn of_this_user() -> Self {
        let chosen = env::var_os("FORMANT_DATA").map(PathBuf::from);
        let system = directories::ProjectDirs::from("", "", "formant");
        let (data, config) = match (chosen, system) {
            (Some(data), _) => (data.clone(), data),
            (None, Some(system)) => (system.data_dir().into(), system.config_dir().into()),
            // No home folder at all: stay beside where we were started.
            (None, None) => ("formant-data".into(), "formant-data".into()),
        };
        Self { data, config, bundled: bundled_models() }
    }

    /// Where fetched and imported models live, a folder each.
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }

    /// Where conversations are kept, a file each.
    pub fn conversations(&self) -> PathBuf {
        self.data.join("conversations")
    }

    /// Where replies are kept that suffix decoding learns from, a file for each vocabulary.
    pub fn speculation(&self) -> PathBuf {
        self.data.join("speculation")
    }

    /// Words with pronunciations of the user's own.
    pub fn dictionary(&self) -> PathBuf {
        self.data.join("dictionary.txt")
    }

    /// What the user chose.
    pub fn settings(&self) -> PathBuf {
        self.config.join("settings.toml")
    }
}

/// `FORMANT_MODELS`, else a `models` folder beside the program or above it, else the one of the
/// checkout that the program was built from.
fn bundled_models() -> PathBuf {
    if let Some(folder) = env::var_os("FORMANT_MODELS") {
        return folder.into();
    }
    let program = env::current_exe().ok();
    let above = program.iter().flat_map(|program| program.ancestors().skip(1).take(4));
    above
        .flat_map(|folder| [folder.join("models"), folder.join("share/formant/models")])
        .find(|folder| holds_models(folder))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
}

fn holds_models(folder: &Path) -> bool {
    folder.join(super::catalog::VOICE).join("model.toml").is_file()
}
