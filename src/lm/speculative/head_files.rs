//! The files of an EAGLE-3 head: which they are, and what they hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Eagle3Head, Precision};
use crate::{domain::HeadInfo, lm::Error};

const CONFIG: &str = "config.json";
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// What a look at a head's files has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadInspection {
    /// What it is.
    pub head: HeadInfo,
    /// The files that it needs, the one it is known by first.
    pub files: Vec<PathBuf>,
}

/// The weights and the `config.json` of a head whose folder is given, or a file in it.
///
/// # Errors
/// If there are no weights.
pub fn files(path: &Path) -> Result<[PathBuf; 2], Error> {
    let folder = folder(path);
    let weights = WEIGHTS.map(|name| folder.join(name)).into_iter().find(|file| file.is_file());
    let Some(weights) = weights else {
        let why = format!("its folder has neither {} nor {}", WEIGHTS[0], WEIGHTS[1]);
        return Err(Error::Head { why, path: folder.to_owned() });
    };
    Ok([weights, folder.join(CONFIG)])
}

fn folder(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(path) }
}

/// Whether a path is a folder whose `config.json` describes an EAGLE-3 head, or a file of such a
/// head in it. It has a vocabulary of its own, or names its architecture.
pub fn is_head(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let may_be =
        path.is_dir() || WEIGHTS.into_iter().chain([CONFIG]).any(|of_heads| name == of_heads);
    if !may_be {
        return false;
    }
    let Ok(text) = fs::read_to_string(folder(path).join(CONFIG)) else { return false };
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let architectures = config["architectures"].as_array().into_iter().flatten();
    let mut architectures = architectures.filter_map(Value::as_str);
    config["draft_vocab_size"].is_u64() || architectures.any(|name| name.contains("Eagle3"))
}

/// Looks into a head's folder, or at a file in it. All of it is read: what loading it would refuse is
/// told now.
///
/// # Errors
/// As loading it would give.
pub fn inspect_head(path: &Path) -> Result<HeadInspection, Error> {
    let head = Eagle3Head::load(path, Precision::Half)?;
    let files = files(path)?.to_vec();
    let name = folder(path).canonicalize().unwrap_or_default();
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let head = HeadInfo {
        name,
        n_parameters: head.n_bytes() / 2, // two bytes each
        n_embd: head.n_embd(),
        n_drafted: head.tokens().len(),
        has_embedding: head.has_embedding(),
    };
    Ok(HeadInspection { head, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lm").join(name)
    }

    #[test]
    fn a_heads_folder_and_its_files_are_told_from_a_language_models() {
        let head = fixture("eagle3");
        assert!(is_head(&head));
        assert!(is_head(&head.join("model.safetensors")) && is_head(&head.join("config.json")));
        assert!(!is_head(&head.join("inputs.safetensors")));
        assert!(!is_head(&fixture("tiny-llama3")) && !is_head(&fixture("nothing")));
    }

    #[test]
    fn a_look_at_a_head_counts_its_weights() {
        let HeadInspection { head, files } = inspect_head(&fixture("eagle3")).unwrap();
        assert_eq!((head.name.as_str(), head.n_drafted), ("eagle3", 48));
        assert!(!head.has_embedding);
        assert_eq!(files[0], fixture("eagle3").join("model.safetensors"));
        // The matrices are what the file holds in two dimensions.
        let weights = crate::nn::Weights::read(&files[0]).unwrap();
        let all = weights.scope("");
        let names = ["q_proj", "k_proj", "v_proj", "o_proj"].map(|it| format!("self_attn.{it}"));
        let mlp = ["gate_proj", "up_proj", "down_proj"].map(|it| format!("mlp.{it}"));
        let layer = names.iter().chain(&mlp).map(|it| format!("midlayer.{it}.weight"));
        let matrices = layer.chain(["fc.weight".to_owned(), "lm_head.weight".to_owned()]);
        let size = |name: String| all.array(&name).unwrap().shape.iter().product::<usize>();
        let counted: usize = matrices.map(size).sum();
        assert_eq!(head.n_parameters, counted as u64);
    }
}
