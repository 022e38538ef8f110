//! A look at an adapter's files: what it is, and whether it fits a model.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use super::{file::AdapterFile, fit, gguf, peft};
use crate::{
    domain::AdapterInfo,
    lm::{Error, checkpoint, config::Config, gguf::Header},
};

/// What a look at an adapter's files has found.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterInspection {
    /// What it is.
    pub adapter: AdapterInfo,
    /// The files that it needs, the one it is known by first.
    pub files: Vec<PathBuf>,
}

/// Whether a path is a PEFT folder, one of its files, or a GGUF file that says it is an adapter.
pub fn is_adapter(path: &Path) -> bool {
    if peft::folder(path).is_some() {
        return true;
    }
    let Ok(file) = File::open(path) else { return false };
    let n_bytes = file.metadata().map_or(0, |file| file.len());
    Header::read(BufReader::new(file), n_bytes).is_ok_and(|header| gguf::is_adapter(&header))
}

/// Looks into a PEFT folder or a GGUF file; the weights' values are not read.
///
/// # Errors
/// If it is neither, cannot be read, is damaged, or changes more than linear layers.
pub fn inspect_adapter(path: &Path) -> Result<AdapterInspection, Error> {
    let file = AdapterFile::open(path)?;
    Ok(AdapterInspection { adapter: file.info(), files: file.files })
}

/// The sizes of a language model, which adapters are compared with.
#[derive(Debug)]
pub struct ModelSizes(Config);

impl ModelSizes {
    /// Reads them from a model's files, without its weights.
    ///
    /// # Errors
    /// If the files cannot be read, or are no model that can be used here.
    pub fn read(model: &Path) -> Result<Self, Error> {
        let mut on_progress = |_, _| Ok(());
        Ok(Self(checkpoint::open(model, &mut on_progress)?.config()?))
    }

    /// Whether an adapter was made for a model of these sizes; its weights' values are not read.
    ///
    /// # Errors
    /// If it was not, or cannot be read.
    pub fn fit(&self, adapter: &Path) -> Result<AdapterInfo, Error> {
        let file = AdapterFile::open(adapter)?;
        fit::check(&file, &self.0).map_err(|problem| problem.of(&file.path))?;
        Ok(file.info())
    }

    /// Checks all that putting an adapter on a model would refuse, the weights' values too.
    ///
    /// # Errors
    /// As putting it on would give.
    pub fn check(&self, adapter: &Path) -> Result<AdapterInfo, Error> {
        let mut file = AdapterFile::open(adapter)?;
        fit::check(&file, &self.0).map_err(|problem| problem.of(&file.path))?;
        let info = file.info();
        for pair in file.pairs.clone() {
            file.values(&pair.a)?;
            file.values(&pair.b)?;
        }
        Ok(info)
    }
}
