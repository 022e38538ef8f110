//! A language model on disk, whatever its files: what loading one asks of them.
//!
//! A GGUF file and a folder of safetensors hold the same things under other names and in another
//! order. Each says what it has in the words of this module, and nothing above knows which it was.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Error, ModelProblem, config::Config, gguf::Gguf, hugging_face::HuggingFace,
    tokenizer::Tokenizer,
};
use crate::{job::Cancelled, nn::kernels::Matrix};

/// Hears how many bytes of tensors have been read, of how many.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), Cancelled>;

/// A tensor of a Llama.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// A row for each token, `(n_vocab, n_embd)`.
    Embedding,
    /// The last norm, `(n_embd)`.
    Norm,
    /// The output head, `(n_vocab, n_embd)`.
    Head,
    /// One of a block's.
    Layer(usize, Part),
}

/// A tensor of a transformer block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The norm before attention, `(n_embd)`.
    AttnNorm,
    /// Queries, `(n_heads · head_dim, n_embd)`.
    Query,
    /// Keys, `(n_kv_heads · head_dim, n_embd)`.
    Key,
    /// Values, `(n_kv_heads · head_dim, n_embd)`.
    Value,
    /// What attention adds, `(n_embd, n_heads · head_dim)`.
    Output,
    /// The norm before the feed-forward layer, `(n_embd)`.
    FfnNorm,
    /// Its gate, `(n_ff, n_embd)`.
    Gate,
    /// What the gate lets through, `(n_ff, n_embd)`.
    Up,
    /// What the layer adds, `(n_embd, n_ff)`.
    Down,
}

impl Part {
    /// Every part, in the order of the arithmetic.
    pub const ALL: [Self; 9] = [
        Self::AttnNorm,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::FfnNorm,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// Those that are linear layers, in the order of the arithmetic.
    pub const LINEAR: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];
}

/// The files of a model, open.
pub trait Checkpoint {
    /// What the files call the model; a file's or a folder's name if they do not say.
    fn name(&self) -> String;

    /// How the files are laid out, for people.
    fn layout(&self) -> &'static str;

    /// The files that the model needs, the one it is known by first.
    fn files(&self) -> Vec<PathBuf>;

    /// Terms of use, as the files state them.
    fn licence(&self) -> Option<String>;

    /// The model's sizes.
    ///
    /// # Errors
    /// If it is of another architecture, or a value is missing, out of range or not provided for.
    fn config(&mut self) -> Result<Config, Error>;

    /// Its vocabulary and the rules that go with it.
    ///
    /// # Errors
    /// If it is missing, inconsistent, or of a kind that is not known here.
    fn tokenizer(&self, n_vocab: usize) -> Result<Tokenizer, Error>;

    /// Its chat template's source, if it has one.
    ///
    /// # Errors
    /// If it cannot be read.
    fn chat_template(&self) -> Result<Option<String>, Error>;

    /// What the files call a tensor.
    fn spelling(&self, weight: Weight) -> String;

    /// A tensor's shape; `None` if the files have no such tensor.
    fn shape(&self, weight: Weight) -> Option<&[usize]>;

    /// The names of all tensors, each with what it is, if it is anything of a Llama.
    fn tensors(&self) -> Vec<(&str, Option<Weight>)>;

    /// Bytes of all tensors by the format they are stored in.
    fn formats(&self) -> BTreeMap<&'static str, u64>;

    /// The weights of a linear layer or an embedding; rows of queries and keys lie so that pairs
    /// that turn together are neighbours.
    ///
    /// # Errors
    /// If there is no such tensor of that shape, it cannot be read, or the load was cancelled.
    fn matrix(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Matrix, Error>;

    /// The weights of [`Checkpoint::matrix`] as plain numbers, `(n_out, n_in)`.
    ///
    /// # Errors
    /// As [`Checkpoint::matrix`].
    fn numbers(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Vec<f32>, Error>;

    /// A vector of plain numbers, whatever the format.
    ///
    /// # Errors
    /// As [`Checkpoint::matrix`].
    fn vector(&mut self, weight: Weight, len: usize) -> Result<Vec<f32>, Error>;

    /// The error that tells of a problem in these files.
    fn problem(&self, problem: ModelProblem) -> Error;
}

/// Opens a GGUF file, a folder as Hugging Face lays it out, or one of the files that such a folder
/// is known by (its weights, their index, `config.json`).
///
/// # Errors
/// If there is nothing of that name, or it is none of these or damaged.
pub fn open<'a>(
    path: &Path,
    on_progress: OnProgress<'a>,
) -> Result<Box<dyn Checkpoint + 'a>, Error> {
    if path.is_dir() {
        return Ok(Box::new(HuggingFace::open(path, on_progress)?));
    }
    if path.is_file()
        && HuggingFace::is_one_of_its_files(path)
        && let Some(folder) = path.parent()
    {
        return Ok(Box::new(HuggingFace::open(folder, on_progress)?));
    }
    Ok(Box::new(Gguf::open(path, on_progress)?))
}

/// Checks that all tensors of a Llama of these sizes are there, in shape, and no others.
///
/// # Errors
/// If one is missing, misshaped or of another architecture.
pub fn check(checkpoint: &dyn Checkpoint, config: &Config) -> Result<(), Error> {
    let is_known = |weight: Option<Weight>| match weight {
        None => false,
        Some(Weight::Layer(layer_idx, _)) => layer_idx < config.n_layers,
        Some(_) => true,
    };
    let strangers = checkpoint.tensors().into_iter().filter(|(_, weight)| !is_known(*weight));
    if let Some(name) = strangers.map(|(name, _)| name).min() {
        return Err(checkpoint.problem(ModelProblem::UnknownTensor(name.to_owned())));
    }
    let head = if config.is_tied { None } else { Some(Weight::Head) };
    let in_layers = (0..config.n_layers)
        .flat_map(|layer_idx| Part::ALL.map(|part| Weight::Layer(layer_idx, part)));
    let outside = [Weight::Embedding, Weight::Norm].into_iter().chain(head);
    outside
        .chain(in_layers)
        .try_for_each(|weight| check_shape(checkpoint, weight, &config.shape(weight)))
}

/// Checks that a tensor is there and of that shape.
///
/// # Errors
/// If it is not.
pub fn check_shape(
    checkpoint: &(impl Checkpoint + ?Sized),
    weight: Weight,
    expected: &[usize],
) -> Result<(), Error> {
    let name = || checkpoint.spelling(weight);
    match checkpoint.shape(weight) {
        Some(found) if found == expected => Ok(()),
        Some(found) => {
            let (found, expected) = (found.to_vec(), expected.to_vec());
            Err(checkpoint.problem(ModelProblem::Shape { name: name(), found, expected }))
        }
        None => Err(checkpoint.problem(ModelProblem::MissingTensor(name()))),
    }
}
