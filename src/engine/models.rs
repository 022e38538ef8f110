//! The models in memory: found in the library, loaded on first use, kept until let go.

use std::{cell::RefCell, path::PathBuf, rc::Rc, sync::Arc};

use super::{Error, LoadedModel, adapters::adapter_files};
use crate::{
    domain::{AdapterChoice, AdapterStamp, ModelKind, Progress, Pronunciations, Stage},
    job::Cancelled,
    library::{Dictionary, Library, catalog},
    lm::{Adapter, AdapterSet, Backend, Eagle3Head, LanguageModel, Precision},
    metrics::{Dnsmos, Whisper},
    tts::{self, AcousticModel, FrontEnd, G2p, Vocoder},
};

/// A model that a long job uses while the thread turns to others in between.
pub(super) type Shared<T> = Rc<RefCell<Box<T>>>;

/// Hears of loading.
pub(super) type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> Result<(), Cancelled>;

/// See the module.
pub(super) struct Models {
    library: Library,
    /// What language models are loaded for.
    backend: Backend,
    front_end: Option<Rc<FrontEnd>>,
    voices: Vec<Loaded<Shared<dyn AcousticModel>>>,
    vocoders: Vec<Loaded<Shared<dyn Vocoder>>>,
    language: Vec<Loaded<Arc<LanguageModel>>>,
    adapters: Vec<LoadedAdapter>,
    heads: Vec<Loaded<Arc<Eagle3Head>>>,
    recognizers: Vec<Loaded<Rc<RefCell<Whisper>>>>,
    dnsmos: Option<Rc<Dnsmos>>,
}

/// A model in memory. Its size stands beside it, since a model at work cannot be asked.
struct Loaded<T> {
    id: String,
    bytes: u64,
    model: T,
}

/// An adapter in memory, laid down for one language model.
struct LoadedAdapter {
    id: String,
    language_model: String,
    adapter: Arc<Adapter>,
}

fn find<'a, T>(loaded: &'a [Loaded<T>], id: &str) -> Option<&'a T> {
    loaded.iter().find(|loaded| loaded.id == id).map(|loaded| &loaded.model)
}

fn shown<T>(loaded: &[Loaded<T>]) -> impl Iterator<Item = LoadedModel> {
    loaded.iter().map(|loaded| LoadedModel { id: loaded.id.clone(), bytes: loaded.bytes })
}

impl Models {
    pub(super) fn new(library: Library) -> Self {
        Self {
            library,
            backend: Backend::default(),
            front_end: None,
            voices: Vec::new(),
            vocoders: Vec::new(),
            language: Vec::new(),
            adapters: Vec::new(),
            heads: Vec::new(),
            recognizers: Vec::new(),
            dnsmos: None,
        }
    }

    /// Where models are looked for.
    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// What language models are loaded for.
    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Loads language models for something else from now on; those in memory are let go.
    pub(super) fn set_backend(&mut self, backend: Backend) {
        self.backend = backend;
        self.language.clear();
        self.adapters.clear();
    }

    /// What is in memory.
    pub(super) fn loaded(&self) -> Vec<LoadedModel> {
        let speech = shown(&self.voices).chain(shown(&self.vocoders));
        let adapters = self.adapters.iter().map(|LoadedAdapter { id, adapter, .. }| LoadedModel {
            id: id.clone(),
            bytes: adapter.n_bytes(),
        });
        let language = shown(&self.language).chain(adapters).chain(shown(&self.heads));
        speech.chain(language).chain(shown(&self.recognizers)).collect()
    }

    /// Text to phonemes.
    pub(super) fn front_end(&mut self) -> Result<Rc<FrontEnd>, Error> {
        if let Some(front_end) = &self.front_end {
            return Ok(Rc::clone(front_end));
        }
        let g2p = G2p::load(&self.library.folder(catalog::G2P, ModelKind::G2p)?)?;
        let front_end = Rc::new(FrontEnd::new(g2p));
        self.front_end = Some(Rc::clone(&front_end));
        Ok(front_end)
    }

    /// The user's dictionary as it is now.
    pub(super) fn pronunciations(&self) -> Result<Pronunciations, Error> {
        let dictionary = Dictionary::read(&self.library.folders().dictionary());
        Ok(dictionary.map_err(|why| Error::BadRequest(why.to_string()))?.words().clone())
    }

    /// Phonemes to mel.
    pub(super) fn voice(
        &mut self,
        id: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Shared<dyn AcousticModel>, Error> {
        if let Some(voice) = find(&self.voices, id) {
            return Ok(Rc::clone(voice));
        }
        let model = self.library.find(id)?;
        if !model.kind.is_voice() {
            return Err(Error::BadRequest(format!(
                "{id} is no voice but {}; see `formant models list`",
                model.kind.label()
            )));
        }
        let folder = self.library.folder(id, model.kind)?;
        on_progress(loading(id, 0, 1))?;
        let voice = tts::load_acoustic(&folder)?;
        let bytes = voice.n_bytes();
        let voice = Rc::new(RefCell::new(voice));
        on_progress(loading(id, 1, 1))?;
        self.voices.push(Loaded { id: id.to_owned(), bytes, model: Rc::clone(&voice) });
        Ok(voice)
    }

    /// Mel to sound.
    pub(super) fn vocoder(
        &mut self,
        id: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Shared<dyn Vocoder>, Error> {
        if let Some(vocoder) = find(&self.vocoders, id) {
            return Ok(Rc::clone(vocoder));
        }
        let model = self.library.find(id)?;
        if !model.kind.is_vocoder() {
            return Err(Error::BadRequest(format!(
                "{id} is no vocoder but {}; see `formant models list`",
                model.kind.label()
            )));
        }
        let folder = self.library.folder(id, model.kind)?;
        on_progress(loading(id, 0, 1))?;
        let vocoder = tts::load_vocoder(&folder)?;
        let bytes = vocoder.n_bytes();
        let vocoder = Rc::new(RefCell::new(vocoder));
        on_progress(loading(id, 1, 1))?;
        self.vocoders.push(Loaded { id: id.to_owned(), bytes, model: Rc::clone(&vocoder) });
        Ok(vocoder)
    }

    /// A language model.
    pub(super) fn language(
        &mut self,
        id: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Arc<LanguageModel>, Error> {
        if let Some(model) = find(&self.language, id) {
            return Ok(Arc::clone(model));
        }
        let path = self.library.file(id, ModelKind::Llama)?;
        let mut progress = |done, total| on_progress(loading(id, done, total));
        let model = Arc::new(LanguageModel::load_on(&self.backend, &path, &mut progress)?);
        let bytes = model.n_bytes();
        self.language.push(Loaded { id: id.to_owned(), bytes, model: Arc::clone(&model) });
        Ok(model)
    }

    /// A language model, if it is in memory.
    pub(super) fn language_in_memory(&self, id: &str) -> Option<Arc<LanguageModel>> {
        find(&self.language, id).cloned()
    }

    /// The adapters of a reply, loaded for its model where they are not, and what to stamp it with.
    pub(super) fn adapters(
        &mut self,
        choices: &[AdapterChoice],
        model_id: &str,
        model: &LanguageModel,
    ) -> Result<(AdapterSet, Vec<AdapterStamp>), Error> {
        let (mut weighted, mut stamps) = (Vec::new(), Vec::new());
        for choice in choices {
            let (adapter, name) = self.adapter(&choice.id, model_id, model)?;
            let (rank, bytes) = (adapter.info().rank, adapter.n_bytes());
            stamps.push(AdapterStamp { choice: choice.clone(), name, rank, bytes });
            weighted.push((adapter, choice.scale));
        }
        Ok((AdapterSet::new(weighted)?, stamps))
    }

    /// An adapter for a model, and its name for people.
    pub(super) fn adapter(
        &mut self,
        id: &str,
        model_id: &str,
        model: &LanguageModel,
    ) -> Result<(Arc<Adapter>, String), Error> {
        let (path, name) = adapter_files(&self.library, id)?;
        let is_it = |it: &&LoadedAdapter| it.id == id && it.language_model == model_id;
        if let Some(loaded) = self.adapters.iter().find(is_it) {
            return Ok((Arc::clone(&loaded.adapter), name));
        }
        let adapter = Arc::new(Adapter::load(&path, model)?);
        let (id, language_model) = (id.to_owned(), model_id.to_owned());
        self.adapters.push(LoadedAdapter { id, language_model, adapter: Arc::clone(&adapter) });
        Ok((adapter, name))
    }

    /// A head that drafts for a language model.
    pub(super) fn head(
        &mut self,
        id: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Arc<Eagle3Head>, Error> {
        if let Some(head) = find(&self.heads, id) {
            return Ok(Arc::clone(head));
        }
        let path = self.library.file(id, ModelKind::Eagle3Head)?;
        on_progress(loading(id, 0, 1))?;
        let head = Arc::new(Eagle3Head::load(&path, Precision::Eight)?);
        let bytes = head.n_bytes();
        on_progress(loading(id, 1, 1))?;
        self.heads.push(Loaded { id: id.to_owned(), bytes, model: Arc::clone(&head) });
        Ok(head)
    }

    /// Speech to text.
    pub(super) fn whisper(
        &mut self,
        id: &str,
        on_progress: OnProgress<'_>,
    ) -> Result<Rc<RefCell<Whisper>>, Error> {
        if let Some(whisper) = find(&self.recognizers, id) {
            return Ok(Rc::clone(whisper));
        }
        let path = self.library.file(id, ModelKind::Whisper)?;
        on_progress(loading(id, 0, 1))?;
        let whisper = Whisper::load(&path)?;
        let bytes = whisper.n_bytes();
        let whisper = Rc::new(RefCell::new(whisper));
        on_progress(loading(id, 1, 1))?;
        self.recognizers.push(Loaded { id: id.to_owned(), bytes, model: Rc::clone(&whisper) });
        Ok(whisper)
    }

    /// What hears how clean speech is.
    pub(super) fn dnsmos(&mut self) -> Result<Rc<Dnsmos>, Error> {
        if let Some(dnsmos) = &self.dnsmos {
            return Ok(Rc::clone(dnsmos));
        }
        let dnsmos = Rc::new(Dnsmos::load()?);
        self.dnsmos = Some(Rc::clone(&dnsmos));
        Ok(dnsmos)
    }

    /// What a model does.
    pub(super) fn kind(&self, id: &str) -> Result<ModelKind, Error> {
        Ok(self.library.find(id)?.kind)
    }

    /// Brings a model of any kind into memory.
    pub(super) fn load(&mut self, id: &str, on_progress: OnProgress<'_>) -> Result<(), Error> {
        match self.library.find(id)?.kind {
            ModelKind::FastSpeech2
            | ModelKind::Matcha
            | ModelKind::Tacotron2
            | ModelKind::Tacotron => {
                self.front_end()?;
                self.voice(id, on_progress).map(|_| ())
            }
            ModelKind::HifiGan | ModelKind::WaveNet => self.vocoder(id, on_progress).map(|_| ()),
            ModelKind::G2p => self.front_end().map(|_| ()),
            ModelKind::Llama => self.language(id, on_progress).map(|_| ()),
            ModelKind::LoraAdapter => Err(Error::BadRequest(format!(
                "{id} is an adapter, which is put on a language model: choose it in a chat"
            ))),
            ModelKind::Eagle3Head => self.head(id, on_progress).map(|_| ()),
            ModelKind::Whisper => self.whisper(id, on_progress).map(|_| ()),
        }
    }

    /// Lets a model go; jobs that hold it keep it until they end.
    pub(super) fn unload(&mut self, id: &str) {
        self.voices.retain(|loaded| loaded.id != id);
        self.vocoders.retain(|loaded| loaded.id != id);
        self.language.retain(|loaded| loaded.id != id);
        self.adapters.retain(|loaded| loaded.id != id && loaded.language_model != id);
        self.heads.retain(|loaded| loaded.id != id);
        self.recognizers.retain(|loaded| loaded.id != id);
        if id == catalog::G2P {
            self.front_end = None;
        }
    }

    /// The file of a model that can be used now.
    pub(super) fn path(&self, id: &str, kind: ModelKind) -> Result<PathBuf, Error> {
        Ok(self.library.file(id, kind)?)
    }

    /// SHA-256 of a model's weights as its entry states it.
    pub(super) fn sha256(&self, id: &str) -> Result<String, Error> {
        Ok(self.library.find(id)?.sha256)
    }
}

fn loading(id: &str, done: u64, total: u64) -> Progress {
    Progress { stage: Stage::Load, subject: id.to_owned(), done, total }
}
