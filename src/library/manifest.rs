//! `model.toml`: what stands beside a model's weights.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::domain::ModelKind;

/// The part of `model.toml` that every kind of model has; the rest is read by the model's own code.
#[derive(Debug, Clone, Deserialize)]
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
    /// Measured figures by name.
    #[serde(default)]
    pub quality: BTreeMap<String, toml::Value>,
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
