//! What suffix decoding has learnt of a vocabulary: how much it is, documents added to it, all of it
//! forgotten.

use std::{fs, path::PathBuf};

use super::{
    Client, EngineJob, Error,
    accelerator::{Accelerator, Command},
    drafting::unreadable,
};
use crate::{
    domain::{Learnt, Progress, Stage},
    job::Cancelled,
    lm::{MOST_LEARNT_TOKENS, PastSize},
};

/// Bytes that are more than the tokens that are kept, however long these are.
const MOST_LEARNT_BYTES: u64 = 4_000_000;

impl Client {
    /// How much suffix decoding knows from past replies and documents of a model's vocabulary; nothing
    /// if the model is not in memory, for a look brings none there.
    pub fn learnt(&self, model: &str) -> EngineJob<Progress, Option<Learnt>> {
        let model = model.to_owned();
        self.submit(Command::Short, move |accelerator, _reply| {
            Ok(accelerator.models.language_in_memory(&model).map(|model| {
                let Accelerator { models, drafting, .. } = accelerator;
                told(drafting.past(models.library(), &model.vocabulary_hash()).size())
            }))
        })
    }

    /// Has suffix decoding learn from text files.
    ///
    /// # Errors
    /// If one cannot be read, or is longer than all that is kept.
    pub fn learn(&self, model: &str, documents: Vec<PathBuf>) -> EngineJob<Progress, Learnt> {
        let model = model.to_owned();
        self.submit(Command::Long, move |accelerator, reply| {
            read(accelerator, &model, &documents, &mut |progress| reply.offer(progress))
        })
    }

    /// Has suffix decoding forget all replies and documents of a model's vocabulary, on disk too.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget_learnt(&self, model: &str) -> EngineJob<Progress, Learnt> {
        let model = model.to_owned();
        self.submit(Command::Long, move |accelerator, reply| {
            let model =
                accelerator.models.language(&model, &mut |progress| reply.offer(progress))?;
            let Accelerator { models, drafting, .. } = accelerator;
            drafting.forget(models.library(), &model.vocabulary_hash())?;
            Ok(Learnt::default())
        })
    }
}

fn read(
    accelerator: &mut Accelerator,
    model: &str,
    documents: &[PathBuf],
    on_progress: &mut dyn FnMut(Progress) -> Result<(), Cancelled>,
) -> Result<Learnt, Error> {
    let model = accelerator.models.language(model, on_progress)?;
    // All are read before any is kept, so that a refusal changes nothing.
    let mut texts = Vec::new();
    for (at, path) in documents.iter().enumerate() {
        on_progress(Progress {
            stage: Stage::Load,
            subject: path.display().to_string(),
            done: at as u64,
            total: documents.len() as u64,
        })?;
        let n_bytes = fs::metadata(path).map_err(|why| unreadable(path, &why))?.len();
        let too_long = |what: String| {
            Err(Error::BadRequest(format!(
                "the document has {what}, and suffix decoding keeps {MOST_LEARNT_TOKENS} tokens in \
                 all; take retrieval for it, or a part of it: {}",
                path.display()
            )))
        };
        if n_bytes > MOST_LEARNT_BYTES {
            return too_long(format!("{:.1} MB", n_bytes as f64 / 1e6));
        }
        let text = fs::read(path).map_err(|why| unreadable(path, &why))?;
        let tokens = model.tokens(&String::from_utf8_lossy(&text))?;
        if tokens.len() > MOST_LEARNT_TOKENS {
            return too_long(format!("{} tokens", tokens.len()));
        }
        texts.push(tokens);
    }
    let Accelerator { models, drafting, .. } = accelerator;
    let past = drafting.past(models.library(), &model.vocabulary_hash());
    for text in texts {
        past.keep(text);
    }
    drafting.save();
    Ok(told(past.size()))
}

fn told(size: PastSize) -> Learnt {
    Learnt { n_texts: size.n_replies, n_tokens: size.n_tokens, n_bytes: size.n_bytes as u64 }
}
