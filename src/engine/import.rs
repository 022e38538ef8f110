//! Models that the user brings: looked into, then taken into the library.
//!
//! Both run on threads of their own, since reading gigabytes is nothing that replies and speech
//! should wait for; of large models no weights are loaded.

use std::{
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};

use super::{Client, EngineJob, Error};
use crate::{
    domain::{Brought, ModelInfo, Progress},
    job::{self, Reply, panic_message},
    library::{NewModel, Placement},
    lm::{self, AdapterInspection, HeadInspection, Inspection},
    tts::{self, Recognized},
};

/// What a GGUF file begins with.
const GGUF: &[u8] = b"GGUF";

/// A model to be taken in.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// A language model's GGUF file, or its folder with `config.json`, `tokenizer.json` and
    /// safetensors; an adapter's GGUF file or PEFT folder; an EAGLE-3
    /// head's folder; or a speech model's checkpoint.
    pub path: PathBuf,
    /// What it is to be called in commands; made from its name if left out.
    pub id: Option<String>,
    /// Where its files are to be.
    pub placement: Placement,
}

impl Client {
    /// Looks into a model's files: what it is, or why it cannot be used.
    pub fn inspect(&self, path: &Path) -> EngineJob<Progress, Brought> {
        let path = path.to_owned();
        self.on_a_thread("import", move |_, _| Ok(look(&path)?.model))
    }

    /// Looks into a model's files and takes them into the library.
    pub fn import(&self, request: ImportRequest) -> EngineJob<Progress, ModelInfo> {
        self.on_a_thread("import", move |client, reply| {
            let Look { model, description, files } = look(&request.path)?;
            let ImportRequest { id, placement, .. } = request;
            let new = NewModel { id, model, description, files, placement };
            Ok(client.library().import(&new, &mut |progress| reply.offer(progress))?)
        })
    }

    /// Takes a model of the user's own out of the library, and out of memory.
    pub fn remove(&self, id: &str) -> EngineJob<Progress, ()> {
        let id = id.to_owned();
        self.on_a_thread("import", move |client, _| {
            client.library().remove(&id)?;
            // Replies under way keep it until they end; whoever asks for it next is told it is gone.
            client.unload(&id).wait(|_| ());
            Ok(())
        })
    }

    /// Does what is not the accelerator's work.
    pub(super) fn on_a_thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Self, &Reply<Progress, Result<T, Error>>) -> Result<T, Error>
        + Send
        + 'static,
    ) -> EngineJob<Progress, T> {
        let (reply, job) = job::channel(self.waker());
        let client = self.clone();
        let work = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&client, &reply)))
                .unwrap_or_else(|panic| Err(Error::Panicked(panic_message(&*panic))));
            reply.finish(outcome);
        };
        // Without a thread the reply is dropped, and the client sees the job as lost.
        if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
            tracing::error!("no thread called {name}: {error}");
        }
        job
    }
}

/// What lies at a path.
struct Look {
    model: Brought,
    description: toml::Table,
    files: Vec<PathBuf>,
}

/// Adapters and EAGLE-3 heads say that they are such; any other folder or GGUF file is a language
/// model, any other file a speech model's checkpoint.
fn look(path: &Path) -> Result<Look, Error> {
    if lm::is_adapter(path) {
        let AdapterInspection { adapter, files } = lm::inspect_adapter(path)?;
        let description = toml::Table::new();
        return Ok(Look { model: Brought::Adapter(adapter), description, files });
    }
    if lm::is_head(path) {
        let HeadInspection { head, files } = lm::inspect_head(path)?;
        let description = toml::Table::new();
        return Ok(Look { model: Brought::Head(head), description, files });
    }
    let is_named_so = path.extension().is_some_and(|extension| extension == "gguf");
    if is_named_so || !path.is_file() || begins_with(path, GGUF) {
        let Inspection { model, files } = lm::inspect(path)?;
        return Ok(Look {
            model: Brought::Language(model),
            description: toml::Table::new(),
            files,
        });
    }
    let Recognized { model, description, file } = tts::inspect(path)?;
    Ok(Look { model: Brought::Speech(model), description, files: vec![file] })
}

fn begins_with(path: &Path, magic: &[u8]) -> bool {
    let mut bytes = vec![0; magic.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).is_ok() && bytes == magic
}
