//! What drafters draw from: past replies, documents, smaller models, heads.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{Error, accelerator::Accelerator, models::OnProgress};
use crate::{
    domain::{ModelKind, ModelState, Speculative},
    files::advice,
    library::Library,
    lm::{Costs, Documents, Eagle3Head, LanguageModel, MOST_DOCUMENT_BYTES, PastReplies, Sources},
};

/// What is kept from reply to reply.
#[derive(Default)]
pub(super) struct Drafting {
    /// Replies of each vocabulary, and the file they belong in.
    past: Vec<(PathBuf, PastReplies)>,
    /// The documents that were asked for last.
    documents: Option<(DocumentsKey, Arc<Documents>)>,
    /// What passes cost, of each model by its id and what it runs on.
    costs: Vec<(String, Costs)>,
}

/// What documents are read again for: another vocabulary, other files, or a change in one.
#[derive(PartialEq, Eq)]
struct DocumentsKey {
    vocabulary: String,
    files: Vec<(PathBuf, u64, Option<SystemTime>)>,
}

impl Drafting {
    /// Writes down what was learnt from replies; what cannot be written stays in memory.
    pub(super) fn save(&self) {
        for (path, past) in &self.past {
            if let Err(why) = past.save(path) {
                let advice = advice(&why);
                tracing::warn!(
                    "cannot keep replies for suffix decoding ({why}){advice}: {}",
                    path.display()
                );
            }
        }
    }

    /// Forgets what was learnt of a vocabulary, on disk too.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(super) fn forget(&mut self, library: &Library, vocabulary: &str) -> Result<(), Error> {
        self.past(library, vocabulary).clear();
        let path = replies_of(library, vocabulary);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::BadRequest(format!(
                    "what was learnt is forgotten, but its file cannot be removed ({why}){}: {}",
                    advice(&why),
                    path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// What was learnt of a vocabulary, read from disk at first.
    pub(super) fn past(&mut self, library: &Library, vocabulary: &str) -> PastReplies {
        let path = replies_of(library, vocabulary);
        if let Some((_, past)) = self.past.iter().find(|(known, _)| *known == path) {
            return past.clone();
        }
        let past = PastReplies::load(&path).unwrap_or_else(|why| {
            tracing::warn!("cannot read past replies ({why}), beginning anew: {}", path.display());
            PastReplies::default()
        });
        self.past.push((path, past.clone()));
        past
    }

    fn costs(&mut self, key: String) -> Costs {
        if let Some((_, costs)) = self.costs.iter().find(|(known, _)| *known == key) {
            return costs.clone();
        }
        let costs = Costs::default();
        self.costs.push((key, costs.clone()));
        costs
    }

    fn documents(
        &mut self,
        model: &LanguageModel,
        paths: &[PathBuf],
    ) -> Result<Arc<Documents>, Error> {
        let files = paths.iter().map(|path| stamp(path)).collect::<Result<Vec<_>, _>>()?;
        let n_bytes: u64 = files.iter().map(|(_, n_bytes, _)| n_bytes).sum();
        if n_bytes > MOST_DOCUMENT_BYTES {
            return Err(Error::BadRequest(format!(
                "the documents have {:.1} MB together, and retrieval reads up to {:.1} MB; name \
                 fewer or shorter ones",
                n_bytes as f64 / 1e6,
                MOST_DOCUMENT_BYTES as f64 / 1e6
            )));
        }
        let key = DocumentsKey { vocabulary: model.vocabulary_hash(), files };
        if let Some((known, documents)) = &self.documents
            && *known == key
        {
            return Ok(Arc::clone(documents));
        }
        let mut tokens = Vec::new();
        for path in paths {
            let text = fs::read(path).map_err(|why| unreadable(path, &why))?;
            tokens.push(model.tokens(&String::from_utf8_lossy(&text))?);
        }
        let documents = Arc::new(Documents::new(tokens.iter().map(Vec::as_slice)));
        self.documents = Some((key, Arc::clone(&documents)));
        Ok(documents)
    }
}

/// The file of what was learnt of a vocabulary.
fn replies_of(library: &Library, vocabulary: &str) -> PathBuf {
    library.folders().speculation().join(format!("{vocabulary}.replies"))
}

fn stamp(path: &Path) -> Result<(PathBuf, u64, Option<SystemTime>), Error> {
    let metadata = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
    if !metadata.is_file() {
        return Err(Error::BadRequest(format!(
            "retrieval reads text files, and this is none: {}",
            path.display()
        )));
    }
    Ok((path.to_owned(), metadata.len(), metadata.modified().ok()))
}

pub(super) fn unreadable(path: &Path, why: &std::io::Error) -> Error {
    Error::BadRequest(format!("cannot read the document ({why}): {}", path.display()))
}

/// Finds and loads what a way to speculate needs for replies of a model.
///
/// # Errors
/// If something is not there, cannot be read, or does not go with the model.
pub(super) fn sources(
    accelerator: &mut Accelerator,
    model_id: &str,
    model: &LanguageModel,
    speculative: &Speculative,
    on_progress: OnProgress<'_>,
) -> Result<Sources, Error> {
    let mut sources = Sources { pool: Arc::clone(&accelerator.pool), ..Sources::default() };
    let Accelerator { models, drafting, .. } = accelerator;
    match speculative {
        Speculative::None | Speculative::Ngram { .. } => (),
        Speculative::Suffix { .. } => {
            sources.past = drafting.past(models.library(), &model.vocabulary_hash());
        }
        Speculative::Retrieval { documents, .. } => {
            sources.documents = Some(drafting.documents(model, documents)?);
        }
        Speculative::Draft { model, .. } => {
            sources.draft_model = Some(models.language(model, on_progress)?);
        }
        Speculative::Eagle3 { head, .. } => {
            sources.head = Some(find_head(accelerator, head, model, on_progress)?);
        }
        Speculative::Adaptive { head, .. } => {
            sources.past = drafting.past(models.library(), &model.vocabulary_hash());
            sources.costs = drafting.costs(format!("{model_id} {}", model.arithmetic()));
            if let Some(head) = head {
                sources.head = Some(find_head(accelerator, head, model, on_progress)?);
            }
        }
    }
    Ok(sources)
}

/// The head of that id, or the first one that goes with the model.
fn find_head(
    accelerator: &mut Accelerator,
    id: &str,
    model: &LanguageModel,
    on_progress: OnProgress<'_>,
) -> Result<Arc<Eagle3Head>, Error> {
    let models = &mut accelerator.models;
    if !id.is_empty() {
        return models.head(id, on_progress);
    }
    let is_there = |state: &ModelState| matches!(state, ModelState::Ready { .. });
    let heads: Vec<_> = models
        .library()
        .models()
        .into_iter()
        .filter(|info| info.kind == ModelKind::Eagle3Head && is_there(&info.state))
        .collect();
    for info in heads {
        let head = models.head(&info.id, on_progress)?;
        if head.goes_with(model) {
            return Ok(head);
        }
    }
    Err(Error::BadRequest(format!(
        "there is no EAGLE-3 head for {} on this machine; import one, or choose another method",
        model.name()
    )))
}
