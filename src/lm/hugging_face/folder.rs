//! An open model folder: what is in it, and its tensors as they are asked for.
//!
//! Names of tensors: `modeling_llama.py` of <https://github.com/huggingface/transformers>. Rows of
//! queries and keys are put in llama.cpp's order as they are read, so that one way to turn them does
//! for every format.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    shard::{Float, Shard, Stored},
    sizes::{self, StatedConfig},
    vocabulary,
};
use crate::{
    lm::{
        Error, ModelProblem,
        checkpoint::{Checkpoint, OnProgress, Part, Weight, check_shape},
        config::Config,
        tokenizer::Tokenizer,
    },
    nn::kernels::{Matrix, Store},
};

/// The weights in one file.
const WEIGHTS: &str = "model.safetensors";
/// Which of several files has which tensor.
const INDEX: &str = "model.safetensors.index.json";
/// The model's sizes.
const CONFIG: &str = "config.json";
/// What else belongs to a model, where it is there.
const BESIDE: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
];

/// An open model folder.
pub struct HuggingFace<'a> {
    folder: PathBuf,
    config: Config,
    json: StatedConfig,
    shards: Vec<Shard>,
    /// Which of the shards has a tensor, and under which name.
    weights: HashMap<Weight, (usize, String)>,
    store: Store,
    on_progress: OnProgress<'a>,
    done: u64,
    total: u64,
}

impl<'a> HuggingFace<'a> {
    /// Whether a folder is known by a file of that name.
    pub fn is_one_of_its_files(path: &Path) -> bool {
        [WEIGHTS, INDEX, CONFIG].iter().any(|name| path.ends_with(name))
    }

    /// Opens a folder and checks that all tensors lie within their files.
    ///
    /// # Errors
    /// If a file is missing, cannot be read or is damaged, or the model is of another architecture.
    pub fn open(folder: &Path, on_progress: OnProgress<'a>) -> Result<Self, Error> {
        if !folder.join(CONFIG).is_file() {
            return Err(ModelProblem::Unrecognized.of(folder));
        }
        let json = StatedConfig(read_json(folder, CONFIG)?.unwrap_or_default());
        let config = sizes::read(&json).map_err(|problem| problem.of(&folder.join(CONFIG)))?;
        let shards = open_shards(folder)?;
        let mut weights = HashMap::new();
        let mut total = 0;
        for (shard_idx, shard) in shards.iter().enumerate() {
            for (name, stored) in &shard.tensors {
                let Some(weight) = weight(name).filter(|it| !is_idle(*it, &config)) else {
                    continue;
                };
                total += stored.n_bytes();
                if weights.insert(weight, (shard_idx, name.clone())).is_some() {
                    let why = "it stands in two files".to_owned();
                    return Err(ModelProblem::Tensor { name: name.clone(), why }.of(folder));
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            config,
            json,
            shards,
            weights,
            store: Store::default(),
            on_progress,
            done: 0,
            total,
        })
    }

    /// The object in a JSON file; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, or is something else.
    pub fn json(&self, name: &str) -> Result<Option<Map<String, Value>>, Error> {
        read_json(&self.folder, name)
    }

    /// A file's bytes; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        read_file(&self.folder, name)
    }

    /// What `config.json` states under a key.
    pub fn stated(&self, key: &str) -> Option<&Value> {
        self.json.0.get(key)
    }

    fn stored(&self, weight: Weight) -> Option<(usize, &Stored)> {
        let (shard_idx, name) = self.weights.get(&weight)?;
        Some((*shard_idx, self.shards.get(*shard_idx)?.tensors.get(name)?))
    }

    /// A tensor that [`check_shape`] has found.
    fn bytes(&mut self, weight: Weight) -> Result<(Stored, Vec<u8>), Error> {
        let missing = || self.problem(ModelProblem::MissingTensor(spelling(weight)));
        let (shard_idx, stored) = self.stored(weight).ok_or_else(missing)?;
        let stored = stored.clone();
        let bytes = self.shards[shard_idx].bytes(&stored)?;
        self.done += stored.n_bytes();
        (self.on_progress)(self.done, self.total)?;
        Ok((stored, bytes))
    }

    /// The weights of a linear layer or an embedding, in the order that [`Checkpoint::matrix`] asks
    /// for.
    fn rows(
        &mut self,
        weight: Weight,
        n_out: usize,
        n_in: usize,
    ) -> Result<(Float, Vec<u8>), Error> {
        check_shape(self, weight, &[n_out, n_in])?;
        let (Stored { float, .. }, mut bytes) = self.bytes(weight)?;
        if let Weight::Layer(_, Part::Query | Part::Key) = weight {
            bytes = interleave(&bytes, n_in * float.n_bytes(), self.config.head_dim);
        }
        Ok((float, bytes))
    }
}

impl Checkpoint for HuggingFace<'_> {
    fn name(&self) -> String {
        let name_of = |path: &Path| path.file_name().map(|it| it.to_string_lossy().into_owned());
        // Hugging Face's cache calls the folder by a hash: models--owner--name/snapshots/hash.
        let cached = self.folder.parent().filter(|parent| parent.ends_with("snapshots"));
        let cached =
            cached.and_then(|it| name_of(it.parent()?)?.rsplit_once("--").map(|it| it.1.into()));
        let folder = || name_of(&fs::canonicalize(&self.folder).ok()?);
        cached.or_else(|| name_of(&self.folder)).or_else(folder).unwrap_or_default()
    }

    fn layout(&self) -> &'static str {
        "safetensors"
    }

    fn files(&self) -> Vec<PathBuf> {
        let shards = self.shards.iter().map(|shard| shard.path.clone());
        let beside = [CONFIG].into_iter().chain(BESIDE).map(|name| self.folder.join(name));
        let mut files: Vec<PathBuf> = shards.chain(beside.filter(|path| path.is_file())).collect();
        // The folder is known by its one file of weights, else by their index.
        if !files[0].ends_with(WEIGHTS) {
            files.insert(0, self.folder.join(INDEX));
        }
        files
    }

    fn licence(&self) -> Option<String> {
        let card = self.file("README.md").ok()??;
        let card = String::from_utf8(card).ok()?;
        // The card begins with a block of YAML between two lines of dashes.
        let (head, _) = card.strip_prefix("---\n")?.split_once("\n---")?;
        let licence = head.lines().find_map(|line| line.strip_prefix("license:"))?;
        Some(licence.trim().trim_matches(['"', '\'']).to_owned())
    }

    fn config(&mut self) -> Result<Config, Error> {
        Ok(self.config.clone())
    }

    fn tokenizer(&self, n_vocab: usize) -> Result<Tokenizer, Error> {
        vocabulary::read(self, n_vocab)
    }

    fn chat_template(&self) -> Result<Option<String>, Error> {
        vocabulary::chat_template(self)
    }

    fn spelling(&self, weight: Weight) -> String {
        spelling(weight)
    }

    fn shape(&self, weight: Weight) -> Option<&[usize]> {
        Some(&self.stored(weight)?.1.shape)
    }

    fn tensors(&self) -> Vec<(&str, Option<Weight>)> {
        let names = self.shards.iter().flat_map(|shard| shard.tensors.keys());
        names
            .map(|name| (name.as_str(), weight(name)))
            .filter(|(name, weight)| {
                !is_computed(name) && !weight.is_some_and(|weight| is_idle(weight, &self.config))
            })
            .collect()
    }

    fn formats(&self) -> BTreeMap<&'static str, u64> {
        let mut formats = BTreeMap::new();
        for weight in self.weights.keys() {
            if let Some((_, stored)) = self.stored(*weight) {
                *formats.entry(stored.float.label()).or_default() += stored.n_bytes();
            }
        }
        formats
    }

    fn matrix(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Matrix, Error> {
        let (float, bytes) = self.rows(weight, n_out, n_in)?;
        let matrix = float.matrix(&mut self.store, &bytes, n_out, n_in);
        matrix.map_err(Error::read(&self.folder))
    }

    fn numbers(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Vec<f32>, Error> {
        let (float, bytes) = self.rows(weight, n_out, n_in)?;
        Ok(float.read(&bytes))
    }

    fn vector(&mut self, weight: Weight, len: usize) -> Result<Vec<f32>, Error> {
        check_shape(self, weight, &[len])?;
        let (stored, bytes) = self.bytes(weight)?;
        Ok(stored.float.read(&bytes))
    }

    fn problem(&self, problem: ModelProblem) -> Error {
        problem.of(&self.folder)
    }
}

fn read_file(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(&path)(error)),
    }
}

fn read_json(folder: &Path, name: &str) -> Result<Option<Map<String, Value>>, Error> {
    let Some(bytes) = read_file(folder, name)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let (file, why) = (name.to_owned(), error.to_string());
        ModelProblem::File { file, why }.of(folder)
    })
}

/// Opens the one file, or those that the index names.
fn open_shards(folder: &Path) -> Result<Vec<Shard>, Error> {
    if folder.join(WEIGHTS).is_file() {
        return Ok(vec![Shard::open(&folder.join(WEIGHTS))?]);
    }
    let damaged = |why: String| ModelProblem::File { file: INDEX.to_owned(), why }.of(folder);
    let Some(index) = read_json(folder, INDEX)? else {
        let file = if folder.join("pytorch_model.bin").is_file() {
            format!(
                "{WEIGHTS} (pytorch_model.bin is no format for weights from others; convert it)"
            )
        } else {
            WEIGHTS.to_owned()
        };
        return Err(ModelProblem::MissingFile(file).of(folder));
    };
    let Some(map) = index.get("weight_map").and_then(Value::as_object) else {
        return Err(damaged("it has no weight_map".to_owned()));
    };
    let mut shards: BTreeMap<&str, Shard> = BTreeMap::new();
    for (tensor, file) in map {
        let file = file.as_str().filter(|file| is_plain_name(file));
        let file =
            file.ok_or_else(|| damaged(format!("the file of {tensor:?} is no file's name")))?;
        if !shards.contains_key(file) {
            if !folder.join(file).is_file() {
                return Err(ModelProblem::MissingFile(file.to_owned()).of(folder));
            }
            shards.insert(file, Shard::open(&folder.join(file))?);
        }
        if !shards.get(file).is_some_and(|shard| shard.tensors.contains_key(tensor)) {
            return Err(damaged(format!("{file} has no {tensor:?}")));
        }
    }
    Ok(shards.into_values().collect())
}

/// Whether a name stays within its folder.
fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|last| last == name)
}

/// Puts the rows of each head so that pairs that turn together are neighbours: row `i` of the first
/// half, then row `i` of the second.
pub fn interleave(bytes: &[u8], row_bytes: usize, head_dim: usize) -> Vec<u8> {
    let mut interleaved = Vec::with_capacity(bytes.len());
    for head in bytes.chunks_exact(row_bytes * head_dim) {
        let (first, second) = head.split_at(head.len() / 2);
        for (a, b) in first.chunks_exact(row_bytes).zip(second.chunks_exact(row_bytes)) {
            interleaved.extend_from_slice(a);
            interleaved.extend_from_slice(b);
        }
    }
    interleaved
}

/// A head beside an embedding that serves as one.
fn is_idle(weight: Weight, config: &Config) -> bool {
    weight == Weight::Head && config.is_tied
}

/// What older files keep although it follows from the sizes.
fn is_computed(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq")
}

/// What the files call a tensor.
pub fn spelling(weight: Weight) -> String {
    match weight {
        Weight::Embedding => "model.embed_tokens.weight".to_owned(),
        Weight::Norm => "model.norm.weight".to_owned(),
        Weight::Head => "lm_head.weight".to_owned(),
        Weight::Layer(layer_idx, part) => {
            format!("model.layers.{layer_idx}.{}.weight", part_name(part))
        }
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::AttnNorm => "input_layernorm",
        Part::Query => "self_attn.q_proj",
        Part::Key => "self_attn.k_proj",
        Part::Value => "self_attn.v_proj",
        Part::Output => "self_attn.o_proj",
        Part::FfnNorm => "post_attention_layernorm",
        Part::Gate => "mlp.gate_proj",
        Part::Up => "mlp.up_proj",
        Part::Down => "mlp.down_proj",
    }
}

/// What a tensor of that name is, if it is anything of a Llama.
pub fn weight(name: &str) -> Option<Weight> {
    if let Some(weight) = [Weight::Embedding, Weight::Norm, Weight::Head]
        .into_iter()
        .find(|weight| spelling(*weight) == name)
    {
        return Some(weight);
    }
    let inner = name.strip_prefix("model.layers.")?.strip_suffix(".weight")?;
    let (layer_idx, part) = inner.split_once('.')?;
    let part = Part::ALL.into_iter().find(|known| part_name(*known) == part)?;
    let weight = Weight::Layer(layer_idx.parse().ok()?, part);
    // A number may be written in several ways; only one is a name.
    (spelling(weight) == name).then_some(weight)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
