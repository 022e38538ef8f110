//! Taking the user's own models into the library, and out again.
//!
//! A model is copied into a folder whose name begins with a dot, which nobody lists, and gets its
//! name when everything in it is whole and on the disk. So whatever breaks on the way (a cancel, a
//! full disk, a power cut), the library is as it was, and the originals are never touched.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    Error, Library, Manifest,
    manifest::ManifestFile,
    shelf::{BLOCK, hex},
};
use crate::{
    domain::{Brought, ModelInfo, ModelKind, ModelOrigin, Progress, Stage},
    job::Cancelled,
};

/// Begins the names of folders that are no models yet.
const IMPORTING: &str = ".importing-";
/// Begins the names of folders that are no models any more.
const REMOVING: &str = ".removing-";
/// Held by whoever changes the user's models.
const LOCK: &str = ".lock";
/// Letters of an id at most.
const MOST_LETTERS: usize = 64;

/// Where an imported model's files are to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// In the library, so that nothing else is needed.
    #[default]
    Copy,
    /// Where they are: takes no room, but they must stay there.
    InPlace,
}

/// A model to be taken in.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// What it is to be called in commands; made from its name if left out.
    pub id: Option<String>,
    /// What it is.
    pub model: Brought,
    /// What its own code has to read in `model.toml`.
    pub description: toml::Table,
    /// Its files, the one it is known by first.
    pub files: Vec<PathBuf>,
    /// Where they are to be.
    pub placement: Placement,
}

type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> Result<(), Cancelled>;

impl Library {
    /// Takes in a model; its original stays as it is.
    ///
    /// # Errors
    /// If it is there already, its id cannot be had, a file cannot be read or written, or
    /// `on_progress` cancelled. The library is then as it was.
    pub fn import(&self, new: &NewModel, on_progress: OnProgress<'_>) -> Result<ModelInfo, Error> {
        let models = self.folders().models();
        let _lock = self.lock()?;
        let id = self.new_id(new)?;
        let scratch = Scratch::new(models.join(format!("{IMPORTING}{id}")))?;
        let files = take_in(new, &scratch.0, &id, on_progress)?;
        if let Some(there) = self.same_files(&files) {
            return Err(Error::AlreadyThere { id: there });
        }
        let main = files.first().ok_or_else(|| Error::NoFiles { id: id.clone() })?;
        let original = new.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        let (mut licence, mut language_model, mut speech_model, mut lora_adapter) =
            (None, None, None, None);
        let kind = match new.model.clone() {
            Brought::Language(model) => {
                licence.clone_from(&model.licence);
                language_model = Some(model);
                ModelKind::Llama
            }
            Brought::Speech(model) => speech_model.insert(model).kind,
            Brought::Adapter(adapter) => {
                lora_adapter = Some(adapter);
                ModelKind::LoraAdapter
            }
            Brought::Head(_) => ModelKind::Eagle3Head,
        };
        let manifest = Manifest {
            id: id.clone(),
            name: new.model.name().to_owned(),
            kind,
            licence: licence.unwrap_or_else(|| "not stated".to_owned()),
            source: format!("imported from {original}"),
            file: main.name.clone(),
            sha256: main.sha256.clone(),
            files,
            language_model,
            speech_model,
            lora_adapter,
            quality: BTreeMap::new(),
            rest: new.description.clone(),
        };
        let path = scratch.0.join("model.toml");
        let text = toml::to_string(&manifest)
            .map_err(|error| Error::Manifest { id: id.clone(), why: error.to_string() })?;
        write_synced(&path, text.as_bytes())?;
        let place = models.join(&id);
        fs::rename(&scratch.0, &place)
            .map_err(Error::file("put the model in its place", &place))?;
        sync_folder(&models);
        self.find(&id)
    }

    /// Takes away a model that the user brought or fetched. Files that were left where they are
    /// stay there.
    ///
    /// # Errors
    /// If there is no such model, it came with Formant, or its files cannot be removed.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        if self.find(id)?.origin == ModelOrigin::Bundled {
            return Err(Error::NotRemovable { id: id.to_owned() });
        }
        let models = self.folders().models();
        let folder = self.folder_of(id).unwrap_or_else(|| models.join(id));
        if !folder.is_dir() {
            return Err(Error::Missing { id: id.to_owned() });
        }
        let _lock = self.lock()?;
        // Gone from the list at once; what a break leaves of it is swept up later.
        let gone = models.join(format!("{REMOVING}{id}"));
        fs::remove_dir_all(&gone).ok();
        fs::rename(&folder, &gone).map_err(Error::file("take away the model", &folder))?;
        fs::remove_dir_all(&gone).map_err(Error::file("remove the model", &gone))
    }

    /// Waits for nobody: one change at a time, whichever program makes it. Whoever has the lock
    /// sweeps up what broken ones left.
    fn lock(&self) -> Result<File, Error> {
        let models = self.folders().models();
        fs::create_dir_all(&models).map_err(Error::file("make the folder", &models))?;
        let path = models.join(LOCK);
        let file = File::create(&path).map_err(Error::file("make the file", &path))?;
        if file.try_lock().is_err() {
            return Err(Error::Locked);
        }
        for entry in fs::read_dir(&models).map_err(Error::file("read the folder", &models))? {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(IMPORTING) || name.starts_with(REMOVING) {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
        Ok(file)
    }

    /// The id that was asked for, or one made from the name that nobody has.
    fn new_id(&self, new: &NewModel) -> Result<String, Error> {
        let taken: Vec<String> = self.models().into_iter().map(|model| model.id).collect();
        let is_free =
            |id: &String| !taken.contains(id) && !self.folders().models().join(id).exists();
        if let Some(id) = &new.id {
            let is_well_formed = slug(id) == *id;
            return match (is_well_formed, is_free(id)) {
                (true, true) => Ok(id.clone()),
                (true, false) => Err(Error::Taken { id: id.clone() }),
                (false, _) => Err(Error::BadId { id: id.clone(), like: slug(id) }),
            };
        }
        let stem = slug(new.model.name());
        let numbered = (2..).map(|n| format!("{stem}-{n}"));
        let mut ids = std::iter::once(stem.clone()).chain(numbered);
        ids.find(is_free).ok_or(Error::Taken { id: stem })
    }

    /// The id of a model that has the very same files.
    fn same_files(&self, files: &[ManifestFile]) -> Option<String> {
        let hashes = |files: &[ManifestFile]| {
            let mut hashes: Vec<String> = files.iter().map(|file| file.sha256.clone()).collect();
            hashes.sort();
            hashes
        };
        let expected = hashes(files);
        let known =
            self.manifests().into_iter().find(|(_, known)| hashes(&known.files) == expected);
        known.map(|(_, known)| known.id)
    }
}

/// Copies or hashes all files, with progress over all of them.
fn take_in(
    new: &NewModel,
    folder: &Path,
    id: &str,
    on_progress: OnProgress<'_>,
) -> Result<Vec<ManifestFile>, Error> {
    let size = |path: &PathBuf| {
        fs::metadata(path).map(|file| file.len()).map_err(Error::file("read the model", path))
    };
    let sizes = new.files.iter().map(size).collect::<Result<Vec<u64>, Error>>()?;
    let total = sizes.iter().sum();
    let mut done = 0;
    let mut files = Vec::new();
    for (path, bytes) in new.files.iter().zip(sizes) {
        let from = File::open(path).map_err(Error::file("read the model", path))?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut tell = |n: u64| {
            done += n;
            let stage =
                if new.placement == Placement::Copy { Stage::Import } else { Stage::Verify };
            on_progress(Progress { stage, subject: id.to_owned(), done, total })
        };
        let (name, sha256, copied) = match new.placement {
            Placement::Copy => {
                let place = folder.join(&file_name);
                let cannot_write = || Error::file("write the model", &place);
                let mut to = File::create_new(&place).map_err(cannot_write())?;
                let (sha256, copied) = copy_hashed(from, path, &mut to, &place, &mut tell)?;
                to.sync_all().map_err(cannot_write())?;
                (file_name, sha256, copied)
            }
            Placement::InPlace => {
                let place = fs::canonicalize(path).map_err(Error::file("find the model", path))?;
                let bad_path = || Error::BadPath { path: place.clone() };
                let name = place.to_str().ok_or_else(bad_path)?.to_owned();
                let (sha256, copied) =
                    copy_hashed(from, path, &mut std::io::sink(), path, &mut tell)?;
                (name, sha256, copied)
            }
        };
        if copied != bytes {
            return Err(Error::Changed { path: path.clone() });
        }
        files.push(ManifestFile { name, bytes, sha256 });
    }
    Ok(files)
}

/// Copies to the end; returns the SHA-256 of what was copied, in hex, and how much it was.
fn copy_hashed(
    mut from: impl Read,
    from_path: &Path,
    to: &mut impl Write,
    to_path: &Path,
    tell: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(String, u64), Error> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut copied = 0;
    loop {
        let n = from.read(&mut block).map_err(Error::file("read the model", from_path))?;
        if n == 0 {
            return Ok((hex(hasher), copied));
        }
        hasher.update(&block[..n]);
        to.write_all(&block[..n]).map_err(Error::file("write the model", to_path))?;
        copied += n as u64;
        tell(n as u64)?;
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let cannot_write = || Error::file("write", path);
    let mut file = File::create_new(path).map_err(cannot_write())?;
    file.write_all(bytes).map_err(cannot_write())?;
    file.sync_all().map_err(cannot_write())
}

/// So that a new name outlives a power cut, where folders can be asked to; elsewhere the system
/// does it in its own time.
fn sync_folder(folder: &Path) {
    File::open(folder).and_then(|folder| folder.sync_all()).ok();
}

/// An id made of a name: small letters, digits, dots and dashes.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_alphanumeric() || letter == '.' || letter == '_' {
            slug.push(letter);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(MOST_LETTERS);
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() { "model".to_owned() } else { slug.to_owned() }
}

/// A folder that is gone when this is, unless it got another name.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir(&folder).map_err(Error::file("make the folder", &folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{LanguageModelInfo, ModelState},
        library::Folders,
    };
    use tempfile::TempDir;

    struct Setting {
        _folder: TempDir,
        library: Library,
        originals: PathBuf,
    }

    fn setting() -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let folders =
            Folders { data: path("data"), config: path("config"), bundled: path("bundled") };
        fs::create_dir(path("originals")).unwrap();
        let originals = path("originals");
        Setting { library: Library::new(folders), originals, _folder: folder }
    }

    impl Setting {
        /// A model of two files that tell it from others.
        fn model(&self, content: &str) -> NewModel {
            let files = ["model.safetensors", "config.json"].map(|name| {
                let path = self.originals.join(name);
                fs::write(&path, format!("{content} {name}")).unwrap();
                path
            });
            let model = LanguageModelInfo {
                name: "My Model (1B)".into(),
                layout: "safetensors".into(),
                formats: vec!["BF16".into()],
                n_parameters: 1_235_814_400,
                n_layers: 16,
                n_embd: 2048,
                n_ff: 8192,
                n_heads: 32,
                n_kv_heads: 8,
                head_dim: 64,
                n_vocab: 128_256,
                context_length: 131_072,
                tokenizer: "byte-level BPE, 128256 tokens".into(),
                has_chat_template: true,
                licence: None,
            };
            NewModel {
                id: None,
                model: Brought::Language(model),
                description: toml::Table::new(),
                files: files.into(),
                placement: Placement::Copy,
            }
        }

        fn import(&self, new: &NewModel) -> Result<ModelInfo, Error> {
            self.library.import(new, &mut |_| Ok(()))
        }

        /// The names of all that lies among the user's models.
        fn left(&self) -> Vec<String> {
            let Ok(entries) = fs::read_dir(self.library.folders().models()) else {
                return Vec::new();
            };
            let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
            let mut names: Vec<String> = names.filter(|name| name != LOCK).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn an_imported_model_is_whole_and_says_what_it_is() {
        let setting = setting();
        let new = setting.model("a");
        let model = setting.import(&new).unwrap();
        assert_eq!((model.id.as_str(), model.origin), ("my-model-1b", ModelOrigin::Imported));
        assert_eq!(model.language_model.clone().map(Brought::Language), Some(new.model));
        let ModelState::Ready { path, bytes } = &model.state else { panic!("{model:?}") };
        assert_eq!(fs::read(path).unwrap(), b"a model.safetensors");
        assert_eq!(*bytes, 19 + 13);
        assert!(new.files.iter().all(|file| file.is_file()));
        setting.library.verify(&model.id, &mut |_| Ok(())).unwrap();
        assert_eq!(setting.library.file(&model.id, ModelKind::Llama).unwrap(), *path);
    }

    #[test]
    fn a_file_beside_the_weights_is_verified_too() {
        let setting = setting();
        let model = setting.import(&setting.model("a")).unwrap();
        let folder = setting.library.folder(&model.id, ModelKind::Llama).unwrap();
        fs::write(folder.join("config.json"), "b config.json").unwrap();
        let error = setting.library.verify(&model.id, &mut |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains("import it again"), "{error}");
        fs::write(folder.join("config.json"), "short").unwrap();
        let state = setting.library.find(&model.id).unwrap().state;
        assert!(matches!(state, ModelState::Damaged { .. }), "{state:?}");
    }

    #[test]
    fn a_model_left_in_place_takes_no_room_and_is_missed_when_it_goes() {
        let setting = setting();
        let new = NewModel { placement: Placement::InPlace, ..setting.model("a") };
        let model = setting.import(&new).unwrap();
        let ModelState::Ready { path, .. } = &model.state else { panic!("{model:?}") };
        assert_eq!(*path, fs::canonicalize(&new.files[0]).unwrap());
        let folder = setting.library.folders().models().join(&model.id);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
        setting.library.verify(&model.id, &mut |_| Ok(())).unwrap();
        fs::remove_file(&new.files[0]).unwrap();
        let state = setting.library.find(&model.id).unwrap().state;
        assert!(matches!(state, ModelState::Damaged { .. }), "{state:?}");
    }

    #[test]
    fn a_cancelled_import_leaves_the_library_as_it_was() {
        let setting = setting();
        let new = setting.model("a");
        let mut n_heard = 0;
        let outcome = setting.library.import(&new, &mut |_| {
            n_heard += 1;
            if n_heard == 2 { Err(Cancelled) } else { Ok(()) }
        });
        assert!(matches!(outcome, Err(Error::Cancelled(_))));
        assert!(setting.left().is_empty(), "{:?}", setting.left());
        assert!(new.files.iter().all(|file| file.is_file()));
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_library_as_it_was() {
        let setting = setting();
        let mut new = setting.model("a");
        new.files.push(setting.originals.join("gone.json"));
        let error = setting.import(&new).unwrap_err().to_string();
        assert!(error.contains("gone.json"), "{error}");
        assert!(setting.left().is_empty());
    }

    #[test]
    fn what_a_broken_import_left_is_swept_up_and_never_listed() {
        let setting = setting();
        let left = setting.library.folders().models().join(".importing-half");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("model.toml"), "id = \"half\"").unwrap();
        assert!(setting.library.find("half").is_err());
        setting.import(&setting.model("a")).unwrap();
        assert_eq!(setting.left(), ["my-model-1b"]);
    }

    #[test]
    fn two_do_not_change_the_library_at_once() {
        let setting = setting();
        let new = setting.model("a");
        let mut second = None;
        let first = setting.library.import(&new, &mut |_| {
            second.get_or_insert_with(|| setting.import(&new));
            Ok(())
        });
        assert!(first.is_ok());
        assert!(matches!(second, Some(Err(Error::Locked))));
    }

    #[test]
    fn a_disk_that_is_full_is_told_to_be() {
        /// Takes so many bytes and no more.
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let n = bytes.len().min(self.0);
                self.0 -= n;
                if n == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(n) }
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let path = Path::new("m.gguf");
        let copied = copy_hashed(&b"a model"[..], path, &mut Full(3), path, &mut |_| Ok(()));
        let error = copied.unwrap_err().to_string();
        assert!(error.contains("the disk is full, make room and try again"), "{error}");
    }

    #[test]
    fn names_that_are_taken_are_numbered_and_ids_that_are_taken_refused() {
        let setting = setting();
        assert_eq!(setting.import(&setting.model("a")).unwrap().id, "my-model-1b");
        assert_eq!(setting.import(&setting.model("b")).unwrap().id, "my-model-1b-2");
        let named = |id: &str| {
            let new = NewModel { id: Some(id.to_owned()), ..setting.model("c") };
            setting.import(&new)
        };
        assert!(matches!(named("my-model-1b"), Err(Error::Taken { .. })));
        assert!(matches!(named("../up"), Err(Error::BadId { .. })));
        assert!(matches!(named("smollm2-135m-instruct"), Err(Error::Taken { .. })));
        assert_eq!(named("mine").unwrap().id, "mine");
    }

    #[test]
    fn the_same_model_is_not_taken_in_twice() {
        let setting = setting();
        let new = setting.model("a");
        setting.import(&new).unwrap();
        let error = setting.import(&new).unwrap_err().to_string();
        assert!(error.contains("my-model-1b"), "{error}");
        assert_eq!(setting.left(), ["my-model-1b"]);
    }

    #[test]
    fn a_removed_model_is_gone_and_its_original_is_not() {
        let setting = setting();
        for placement in [Placement::Copy, Placement::InPlace] {
            let new = NewModel { placement, ..setting.model("a") };
            let id = setting.import(&new).unwrap().id;
            setting.library.remove(&id).unwrap();
            assert!(setting.left().is_empty());
            assert!(matches!(setting.library.find(&id), Err(Error::Unknown { .. })));
            assert!(new.files.iter().all(|file| file.is_file()));
        }
    }

    #[test]
    fn what_is_not_the_user_s_is_not_removed() {
        let setting = setting();
        let bundled = setting.library.folders().bundled.join("voice");
        fs::create_dir_all(&bundled).unwrap();
        let manifest = "id = \"voice\"\nname = \"V\"\nkind = \"g2p\"\nlicence = \"\"\nsource = \"\"\n\
                        file = \"w\"\nsha256 = \"\"\n";
        fs::write(bundled.join("model.toml"), manifest).unwrap();
        fs::write(bundled.join("w"), "w").unwrap();
        let remove = |id| setting.library.remove(id);
        assert!(matches!(remove("voice"), Err(Error::NotRemovable { .. })));
        assert!(matches!(remove("nobody"), Err(Error::Unknown { .. })));
        assert!(matches!(remove("smollm2-135m-instruct"), Err(Error::Missing { .. })));
        assert!(bundled.join("w").is_file());
    }

    #[test]
    fn ids_are_made_of_names() {
        assert_eq!(slug("Meta-Llama 3.1 (8B) Instruct"), "meta-llama-3.1-8b-instruct");
        assert_eq!(slug("…"), "model");
        assert_eq!(slug(".."), "model");
        assert_eq!(slug(&"x".repeat(99)).len(), MOST_LETTERS);
    }
}
