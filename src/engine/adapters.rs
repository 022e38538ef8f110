//! Adapters as pages and commands ask about them: what there is, what it is, and what it fits.
//!
//! Files are looked into on threads of their own; only [`Client::load_adapter`] and replies bring
//! weights into memory.

use std::path::{Path, PathBuf};

use super::{Client, EngineJob, Error};
use crate::{
    domain::{AdapterChoice, AdapterFit, AdapterInfo, AdapterStamp, ModelKind, Progress},
    library::Library,
    lm::{self, ModelSizes},
};

impl Client {
    /// The library's adapters, each with why it cannot be put on a language model of the library,
    /// if it cannot.
    ///
    /// No weights are read, so that a damaged number is told only by [`Client::check_adapter`] and by
    /// the reply.
    pub fn adapters(&self, model: &str) -> EngineJob<Progress, Vec<AdapterFit>> {
        let model = model.to_owned();
        self.on_a_thread("adapters", move |client, _| {
            let library = client.library();
            let sizes = ModelSizes::read(&library.file(&model, ModelKind::Llama)?)?;
            let known = library.models().into_iter();
            let adapters = known.filter(|model| model.kind == ModelKind::LoraAdapter);
            let fit = |id: String, name: String| {
                let path = library.file(&id, ModelKind::LoraAdapter);
                let adapter = path.as_ref().ok().and_then(|path| lm::inspect_adapter(path).ok());
                let outcome = path.map_err(Error::from).and_then(|path| Ok(sizes.fit(&path)?));
                AdapterFit {
                    id,
                    name,
                    adapter: adapter.map(|it| it.adapter),
                    problem: outcome.err().map(|error| error.to_string()),
                }
            };
            Ok(adapters.map(|model| fit(model.id, model.name)).collect())
        })
    }

    /// What an adapter is: one of the library's, or one that a path leads to.
    pub fn adapter(&self, id: &str) -> EngineJob<Progress, AdapterInfo> {
        let id = id.to_owned();
        self.on_a_thread("adapters", move |client, _| {
            let (path, _) = adapter_files(client.library(), &id)?;
            Ok(lm::inspect_adapter(&path)?.adapter)
        })
    }

    /// Checks all that putting an adapter on a language model would refuse, every weight too.
    pub fn check_adapter(&self, id: &str, model: &str) -> EngineJob<Progress, AdapterFit> {
        let (id, model) = (id.to_owned(), model.to_owned());
        self.on_a_thread("adapters", move |client, _| {
            let library = client.library();
            let sizes = ModelSizes::read(&library.file(&model, ModelKind::Llama)?)?;
            let (path, name) = adapter_files(library, &id)?;
            let adapter = lm::inspect_adapter(&path).ok().map(|it| it.adapter);
            let problem = sizes.check(&path).err().map(|error| error.to_string());
            Ok(AdapterFit { id, name, adapter, problem })
        })
    }

    /// Brings an adapter into memory for a language model, which is loaded if need be, so that the
    /// first reply with it does not wait. [`Client::unload`] lets it go again.
    pub fn load_adapter(&self, id: &str, model: &str) -> EngineJob<Progress, AdapterStamp> {
        let (id, model_id) = (id.to_owned(), model.to_owned());
        self.load_with(move |models, on_progress| {
            let model = models.language(&model_id, on_progress)?;
            let choice = AdapterChoice::new(id);
            let (_, mut stamps) = models.adapters(&[choice], &model_id, &model)?;
            stamps.pop().ok_or(Error::Gone)
        })
    }
}

/// Where an adapter lies that the library knows by that id, or that a path leads to, and its name
/// for people.
pub(super) fn adapter_files(library: &Library, id: &str) -> Result<(PathBuf, String), Error> {
    match library.find(id) {
        Ok(known) => Ok((library.file(id, ModelKind::LoraAdapter)?, known.name)),
        Err(_) if Path::new(id).exists() => {
            let name = Path::new(id).file_stem().unwrap_or_default();
            Ok((id.into(), name.to_string_lossy().into_owned()))
        }
        Err(unknown) => Err(unknown.into()),
    }
}
