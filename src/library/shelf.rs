//! The library: bundled, fetched and imported models under one roof.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{Error, Folders, Manifest, catalog, manifest::ManifestFile};
use crate::{
    domain::{ModelInfo, ModelKind, ModelOrigin, ModelState, Progress, Stage},
    job::Cancelled,
};

/// Bytes read between two looks at the progress.
pub(super) const BLOCK: usize = 1 << 20;

/// Finds models by id. Holds only paths: cheap to clone, and what it says is read from disk anew.
#[derive(Debug, Clone)]
pub struct Library {
    folders: Folders,
}

impl Library {
    /// A library over these folders; they need not exist.
    pub fn new(folders: Folders) -> Self {
        Self { folders }
    }

    /// Where things are kept.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Every model there is or could be: bundled ones first, then the user's own, then the catalog.
    pub fn models(&self) -> Vec<ModelInfo> {
        let mut models = shelf(&self.folders.bundled, ModelOrigin::Bundled);
        models.extend(shelf(&self.folders.models(), ModelOrigin::Imported));
        models.extend(catalog::ENTRIES.iter().map(|entry| self.catalog_model(entry)));
        models
    }

    /// The model of that id.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn find(&self, id: &str) -> Result<ModelInfo, Error> {
        let models = self.models();
        let known = || models.iter().map(|model| model.id.clone()).collect();
        models
            .iter()
            .find(|model| model.id == id)
            .cloned()
            .ok_or_else(|| Error::Unknown { id: id.to_owned(), known: known() })
    }

    /// The weights of a model that can be used now.
    ///
    /// # Errors
    /// If there is no such model, it does something else, or its file is missing or damaged.
    pub fn file(&self, id: &str, kind: ModelKind) -> Result<PathBuf, Error> {
        let model = self.find(id)?;
        if model.kind != kind {
            return Err(Error::WrongKind { id: model.id, found: model.kind, needed: kind });
        }
        let advice = advice_for(&model);
        match model.state {
            ModelState::Ready { path, .. } => Ok(path),
            ModelState::Missing => Err(Error::Missing { id: model.id }),
            ModelState::Damaged { why } => Err(Error::Damaged { id: model.id, why, advice }),
        }
    }

    /// The folder of a model that can be used now.
    ///
    /// # Errors
    /// As [`Library::file`].
    pub fn folder(&self, id: &str, kind: ModelKind) -> Result<PathBuf, Error> {
        let mut path = self.file(id, kind)?;
        path.pop();
        Ok(path)
    }

    /// The cards of the user's own models, with the folders they lie in.
    pub(super) fn manifests(&self) -> Vec<(PathBuf, Manifest)> {
        let folders = folders_of_models(&self.folders.models());
        folders
            .into_iter()
            .filter_map(|folder| Some((Manifest::read(&folder).ok()?, folder)))
            .map(|(manifest, folder)| (folder, manifest))
            .collect()
    }

    /// The folder of one of the user's own models.
    pub(super) fn folder_of(&self, id: &str) -> Option<PathBuf> {
        let manifest = self.manifests().into_iter().find(|(_, manifest)| manifest.id == id);
        manifest.map(|(folder, _)| folder)
    }

    /// Where a catalog model's file belongs.
    pub(super) fn place(&self, entry: &catalog::Entry) -> PathBuf {
        self.folders.models().join(entry.id).join(entry.file)
    }

    /// Reads a model's files in full and compares their SHA-256 with what they should be.
    ///
    /// # Errors
    /// If it is not here, cannot be read, or is another file.
    pub fn verify(
        &self,
        id: &str,
        on_progress: &mut dyn FnMut(Progress) -> Result<(), Cancelled>,
    ) -> Result<(), Error> {
        let model = self.find(id)?;
        let path = self.file(id, model.kind)?;
        let own = self.manifests().into_iter().find(|(_, manifest)| manifest.id == id);
        let mut files = vec![(path.clone(), model.sha256.clone())];
        for beside in catalog::find(id).iter().flat_map(|entry| entry.beside) {
            files.push((path.with_file_name(beside.file), beside.sha256.to_owned()));
        }
        if let Some((folder, manifest)) = own
            && !manifest.files.is_empty()
        {
            let file = |file: &ManifestFile| (folder.join(&file.name), file.sha256.clone());
            files = manifest.files.iter().map(file).collect();
        }
        for (path, expected) in files {
            let found = sha256(id, &path, on_progress)?;
            if found != expected {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let why = format!("its file {file} has SHA-256 {found}, not {expected}");
                return Err(Error::Damaged {
                    id: model.id.clone(),
                    why,
                    advice: advice_for(&model),
                });
            }
        }
        Ok(())
    }

    fn catalog_model(&self, entry: &catalog::Entry) -> ModelInfo {
        let path = self.place(entry);
        let mut bytes = 0;
        let mut state = None;
        let beside = entry.beside.iter().map(|beside| (beside.file, beside.bytes));
        for (file, expected) in std::iter::once((entry.file, entry.bytes)).chain(beside) {
            match fs::metadata(path.with_file_name(file)) {
                Ok(file) if file.len() == expected || expected == 0 => bytes += file.len(),
                Ok(found) => {
                    let why = format!("its file {file} has {} bytes, not {expected}", found.len());
                    state.get_or_insert(ModelState::Damaged { why });
                }
                // A fetch that stopped between two files goes on with the second.
                Err(_) => state = Some(ModelState::Missing),
            }
        }
        let sha256 = match entry.sha256 {
            "" => noted(&path).unwrap_or_default(),
            stated => stated.to_owned(),
        };
        let is_here = state.is_none();
        ModelInfo {
            id: entry.id.into(),
            name: entry.name.into(),
            kind: entry.kind,
            licence: entry.licence.into(),
            source: entry.source.into(),
            sha256,
            bytes: if is_here { bytes } else { entry.all_bytes() },
            state: state.unwrap_or(ModelState::Ready { path, bytes }),
            quality: Vec::new(),
            origin: ModelOrigin::Catalog,
            language_model: None,
            speech_model: None,
            lora_adapter: None,
        }
    }
}

/// Where the hash of a file is noted that nobody states one for.
pub(super) fn note(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".sha256");
    place.with_file_name(name)
}

/// The hash that a file had when it came.
pub(super) fn noted(place: &Path) -> Option<String> {
    fs::read_to_string(note(place)).ok().map(|hash| hash.trim().to_owned())
}

/// What helps when a model's file is not what it should be.
fn advice_for(model: &ModelInfo) -> String {
    let id = &model.id;
    match model.origin {
        ModelOrigin::Catalog => format!("fetch it again with `formant models fetch {id}`"),
        ModelOrigin::Bundled => "take Formant's models folder again to restore it".to_owned(),
        ModelOrigin::Imported => {
            format!("remove it with `formant models remove {id}` and import it again")
        }
    }
}

/// SHA-256 of a file, in hex; `on_progress` hears how far it is, under the name of `id`.
///
/// # Errors
/// If the file cannot be read, or `on_progress` cancelled.
pub fn sha256(
    id: &str,
    path: &Path,
    on_progress: &mut dyn FnMut(Progress) -> Result<(), Cancelled>,
) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::file("read the model", path))?;
    let total = file.metadata().map_or(0, |file| file.len());
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    loop {
        let n = file.read(&mut block).map_err(Error::file("read the model", path))?;
        if n == 0 {
            break;
        }
        hasher.update(&block[..n]);
        done += n as u64;
        on_progress(Progress { stage: Stage::Verify, subject: id.to_owned(), done, total })?;
    }
    Ok(hex(hasher))
}

/// A hash in hex.
pub(super) fn hex(hasher: Sha256) -> String {
    let mut hex = String::new();
    for byte in hasher.finalize() {
        hex += &format!("{byte:02x}");
    }
    hex
}

/// Every folder with a `model.toml`, by name; those whose names begin with a dot are being made or
/// removed.
fn folders_of_models(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .filter(|folder| folder.join("model.toml").is_file())
        .collect();
    folders.sort();
    folders
}

fn shelf(folder: &Path, origin: ModelOrigin) -> Vec<ModelInfo> {
    folders_of_models(folder).iter().filter_map(|folder| shelved(folder, origin)).collect()
}

/// `None` for a folder whose `model.toml` cannot be read: it is logged, since nothing else about
/// the model is known.
fn shelved(folder: &Path, origin: ModelOrigin) -> Option<ModelInfo> {
    let manifest = match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(why) => {
            tracing::warn!("a model is passed over, {why}: {}", folder.display());
            return None;
        }
    };
    let quality = manifest.figures();
    let (state, bytes) = state(folder, &manifest);
    Some(ModelInfo {
        id: manifest.id,
        name: manifest.name,
        kind: manifest.kind,
        licence: manifest.licence,
        source: manifest.source,
        sha256: manifest.sha256,
        bytes,
        state,
        quality,
        origin,
        language_model: manifest.language_model,
        speech_model: manifest.speech_model,
        lora_adapter: manifest.lora_adapter,
    })
}

/// Whether all files are there and as long as they should be, and their bytes.
fn state(folder: &Path, manifest: &Manifest) -> (ModelState, u64) {
    let path = folder.join(&manifest.file);
    let mut bytes = match fs::metadata(&path) {
        Ok(file) => file.len(),
        Err(error) => {
            return (ModelState::Damaged { why: format!("{}: {error}", manifest.file) }, 0);
        }
    };
    if !manifest.files.is_empty() {
        bytes = manifest.files.iter().map(|file| file.bytes).sum();
        for ManifestFile { name, bytes: expected, .. } in &manifest.files {
            let why = match fs::metadata(folder.join(name)) {
                Ok(file) if file.len() == *expected => continue,
                Ok(file) => format!("{name} has {} bytes, not {expected}", file.len()),
                Err(error) => format!("{name}: {error}"),
            };
            return (ModelState::Damaged { why }, bytes);
        }
    }
    (ModelState::Ready { path, bytes }, bytes)
}
