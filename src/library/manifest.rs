//! `model.toml`: what stands beside a model's weights.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::domain::{AdapterInfo, LanguageModelInfo, ModelKind, SpeechModelInfo};

/// The part of `model.toml` that every kind of model has; the rest is read by the model's own code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Short name; the folder is called so, too.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What the model does.
    pub kind: ModelKind,
    /// Terms of use.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Name of the weights, in the same folder.
    pub file: String,
    /// SHA-256 of the weights, in hex.
    pub sha256: String,
    /// What kind of language model it is, where its files were looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_model: Option<LanguageModelInfo>,
    /// What kind of speech model it is, where the user brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speech_model: Option<SpeechModelInfo>,
    /// What kind of adapter it is, where the user brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora_adapter: Option<AdapterInfo>,
    /// Measured figures by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quality: BTreeMap<String, toml::Value>,
    /// All files of a model that the user brought, the weights among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ManifestFile>,
    /// What the model's own code reads: tables that no other part knows.
    #[serde(flatten)]
    pub rest: toml::Table,
}

/// A file of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the model's folder, or its whole path if it was left where it was.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl Manifest {
    /// Reads `folder/model.toml`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("model.toml");
        let text = fs::read_to_string(&path).map_err(|error| format!("model.toml: {error}"))?;
        toml::from_str(&text).map_err(|error| format!("model.toml: {}", error.message()))
    }

    /// The figures that are numbers, by name.
    pub fn figures(&self) -> Vec<(String, f64)> {
        let number = |value: &toml::Value| {
            value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
        };
        self.quality
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), number(value)?)))
            .collect()
    }
}
