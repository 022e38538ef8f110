//! `formant speculation`: what was learnt from past replies, and how to forget it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    args::SpeculationAction,
    output::{Bar, json_line},
    run::Setting,
};
use crate::{domain::Learnt, engine::PastReplies};

pub(super) fn run(setting: &Setting, action: SpeculationAction) -> Result<()> {
    let folder = setting.library.folders().speculation();
    let files = files(&folder)?;
    match action {
        SpeculationAction::Info { json } => {
            if files.is_empty() && !json {
                println!(
                    "Nothing is kept. Suffix and adaptive speculation keep replies in {}.",
                    folder.display()
                );
            }
            for path in files {
                let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                let past = PastReplies::load(&path)
                    .with_context(|| format!("cannot read past replies: {}", path.display()))?;
                let size = past.size();
                let vocabulary = path.file_stem().unwrap_or_default().to_string_lossy();
                if json {
                    json_line(&json!({
                        "vocabulary": vocabulary,
                        "replies": size.n_replies,
                        "tokens": size.n_tokens,
                        "file_bytes": bytes,
                        "memory_bytes": size.n_bytes,
                        "path": path,
                    }))?;
                } else {
                    println!(
                        "vocabulary {vocabulary}: {} replies, {} tokens, {:.0} kB on disk, {:.1} MB in memory: {}",
                        size.n_replies,
                        size.n_tokens,
                        bytes as f64 / 1e3,
                        size.n_bytes as f64 / 1e6,
                        path.display()
                    );
                }
            }
        }
        SpeculationAction::Learn { documents, model, json } => {
            let model = model.unwrap_or_else(|| setting.settings.chat.model.clone());
            let engine = setting.language_engine(None, None)?;
            let mut bar = Bar::new();
            let learnt = engine.learn(&model, documents).wait(|progress| bar.show(&progress));
            bar.clear();
            let learnt =
                learnt.context("the engine ended before they were read; start it again")??;
            if json {
                json_line(&json!({
                    "event": "done",
                    "texts": learnt.n_texts,
                    "tokens": learnt.n_tokens,
                    "memory_bytes": learnt.n_bytes,
                }))?;
            } else {
                let Learnt { n_texts, n_tokens, n_bytes } = learnt;
                let megabytes = n_bytes as f64 / 1e6;
                println!(
                    "Learnt so far: {n_texts} replies and documents, {n_tokens} tokens, {megabytes:.1} MB in memory."
                );
            }
        }
        SpeculationAction::Clear => {
            let n_files = files.len();
            for path in files {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove past replies: {}", path.display()))?;
            }
            println!(
                "Forgotten: the replies of {n_files} vocabularies. A window that is open keeps its own until it is closed."
            );
        }
    }
    Ok(())
}

/// The files of replies; none if there is no folder.
fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot look into {}", folder.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot look into {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "replies") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
