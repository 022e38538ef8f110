//! A look at an adapter's files: what it is, and whether it fits a model.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use super::{file::AdapterFile, fit, gguf, peft};
use crate::{
    domain::AdapterInfo,
    lm::{Error, checkpoint, gguf::Header},
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

/// Checks all that putting an adapter on a model would refuse, the weights' values too.
///
/// # Errors
/// As putting it on would give, or if the model's files cannot be read.
pub fn check_adapter(adapter: &Path, model: &Path) -> Result<AdapterInfo, Error> {
    let mut file = AdapterFile::open(adapter)?;
    let mut on_progress = |_, _| Ok(());
    let config = checkpoint::open(model, &mut on_progress)?.config()?;
    fit::check(&file, &config).map_err(|problem| problem.of(&file.path))?;
    for pair in file.pairs.clone() {
        file.values(&pair.a)?;
        file.values(&pair.b)?;
    }
    Ok(file.info())
}
