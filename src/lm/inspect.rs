//! A look at a model's files: what it is, and whether it could be loaded, without its weights.

use std::path::{Path, PathBuf};

use super::{Error, ModelProblem, checkpoint, template::ChatTemplate};
use crate::domain::LanguageModelInfo;

/// What a look at a model's files has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What it is.
    pub model: LanguageModelInfo,
    /// The files that it needs, the one it is known by first.
    pub files: Vec<PathBuf>,
}

/// Looks into a GGUF file or a model folder, as [`LanguageModel::load`](super::LanguageModel::load)
/// takes them: all is checked that loading would refuse, except the weights' values.
///
/// # Errors
/// As loading it would give.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let mut on_progress = |_, _| Ok(());
    let mut checkpoint = checkpoint::open(path, &mut on_progress)?;
    let config = checkpoint.config()?;
    checkpoint::check(&*checkpoint, &config)?;
    let tokenizer = checkpoint.tokenizer(config.n_vocab)?;
    let template = checkpoint.chat_template()?;
    if let Some(source) = &template {
        ChatTemplate::compile(source)
            .map_err(|why| checkpoint.problem(ModelProblem::ChatTemplate(why)))?;
    }
    let mut formats: Vec<_> = checkpoint.formats().into_iter().collect();
    formats.sort_by_key(|(_, n_bytes)| std::cmp::Reverse(*n_bytes));
    let model = LanguageModelInfo {
        name: checkpoint.name(),
        layout: checkpoint.layout().to_owned(),
        formats: formats.into_iter().map(|(format, _)| format.to_owned()).collect(),
        n_parameters: config.n_parameters(),
        n_layers: config.n_layers,
        n_embd: config.n_embd,
        n_ff: config.n_ff,
        n_heads: config.n_heads,
        n_kv_heads: config.n_kv_heads,
        head_dim: config.head_dim,
        n_vocab: config.n_vocab,
        context_length: config.context_length,
        tokenizer: tokenizer.label,
        has_chat_template: template.is_some(),
        licence: checkpoint.licence(),
    };
    Ok(Inspection { model, files: checkpoint.files() })
}
