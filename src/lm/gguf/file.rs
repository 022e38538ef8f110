//! An open GGUF file: its header, checked before it is believed, and its tensors as they are asked
//! for.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use candle_core::{
    Device,
    quantized::{QStorage, QTensor},
};

use super::{
    header::{Header, Stored, Value},
    sizes, vocabulary,
};
use crate::{
    lm::{
        Error, ModelProblem,
        checkpoint::{Checkpoint, OnProgress, Part, Weight, check_shape},
        config::{Config, Stated},
        tokenizer::Tokenizer,
    },
    nn::kernels::{Matrix, Store},
};

/// The tensor that divides the rotary frequencies.
pub const ROPE_DIVISORS: &str = "rope_freqs.weight";

/// An open model file.
pub struct Gguf<'a> {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    /// The names of what belongs to a Llama.
    weights: HashMap<Weight, String>,
    store: Store,
    on_progress: OnProgress<'a>,
    done: u64,
    total: u64,
}

impl<'a> Gguf<'a> {
    /// Opens a file and checks that all its tensors lie within it.
    ///
    /// # Errors
    /// If it cannot be read, or is no sound GGUF file.
    pub fn open(path: &Path, on_progress: OnProgress<'a>) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::read(path))?;
        let n_bytes = file.metadata().map_err(Error::read(path))?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let header = Header::read(&mut file, n_bytes).map_err(|problem| problem.of(path))?;
        let weights = header.tensors.keys().filter_map(|name| Some((weight(name)?, name.clone())));
        Ok(Self {
            weights: weights.collect(),
            store: Store::default(),
            total: header.tensors.values().map(|stored| stored.n_bytes).sum(),
            path: path.to_owned(),
            file,
            header,
            on_progress,
            done: 0,
        })
    }

    /// What the file states under that name.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.header.values.get(key)
    }

    /// A text; `None` if the file does not state it.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A yes or no; `None` if the file does not state it.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A number; `None` if the file does not state it.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.value(key) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Whole(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// A list of texts; empty if the file does not state it.
    pub fn texts(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A list of whole numbers; empty if the file does not state it.
    pub fn wholes(&self, key: &str) -> &[i32] {
        match self.value(key) {
            Some(Value::Wholes(wholes)) => wholes,
            _ => &[],
        }
    }

    /// A list of numbers; empty if the file does not state it.
    pub fn numbers(&self, key: &str) -> &[f32] {
        match self.value(key) {
            Some(Value::Numbers(numbers)) => numbers,
            _ => &[],
        }
    }

    /// The divisors of the rotary frequencies; `None` if the file has none.
    ///
    /// # Errors
    /// If there are not `n_pairs` of them, or they cannot be read.
    pub fn rope_divisors(&mut self, n_pairs: usize) -> Result<Option<Vec<f32>>, Error> {
        let Some(stored) = self.header.tensors.get(ROPE_DIVISORS).cloned() else {
            return Ok(None);
        };
        if stored.shape != [n_pairs] {
            let (name, found) = (ROPE_DIVISORS.to_owned(), stored.shape);
            let expected = vec![n_pairs];
            return Err(self.problem(ModelProblem::Shape { name, found, expected }));
        }
        self.floats(ROPE_DIVISORS, &stored).map(Some)
    }

    fn stored(&self, weight: Weight) -> Option<(&str, &Stored)> {
        let name = self.weights.get(&weight)?;
        Some((name, self.header.tensors.get(name)?))
    }

    /// A tensor that [`check_shape`] has found.
    fn found(&self, weight: Weight) -> Result<(String, Stored), Error> {
        let missing = || self.problem(ModelProblem::MissingTensor(spelling(weight)));
        let (name, stored) = self.stored(weight).ok_or_else(missing)?;
        Ok((name.to_owned(), stored.clone()))
    }

    /// The tensor's bytes as they stand in the file, which [`Header::read`] found long enough.
    fn bytes(&mut self, stored: &Stored) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; stored.n_bytes as usize];
        self.file
            .seek(SeekFrom::Start(stored.start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(Error::read(&self.path))?;
        self.done += stored.n_bytes;
        (self.on_progress)(self.done, self.total)?;
        Ok(bytes)
    }

    fn floats(&mut self, name: &str, stored: &Stored) -> Result<Vec<f32>, Error> {
        let bytes = self.bytes(stored)?;
        dequantize(stored, bytes).map_err(|why| {
            let name = name.to_owned();
            self.problem(ModelProblem::Tensor { name, why })
        })
    }
}

impl Checkpoint for Gguf<'_> {
    fn name(&self) -> String {
        let file_name = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.text("general.name").map_or_else(file_name, str::to_owned)
    }

    fn layout(&self) -> &'static str {
        "GGUF"
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn licence(&self) -> Option<String> {
        self.text("general.license").map(str::to_owned)
    }

    fn config(&mut self) -> Result<Config, Error> {
        sizes::read(self)
    }

    fn tokenizer(&self, n_vocab: usize) -> Result<Tokenizer, Error> {
        let tokenizer = vocabulary::read(self, n_vocab);
        tokenizer.map_err(|why| self.problem(ModelProblem::Tokenizer(why)))
    }

    fn chat_template(&self) -> Result<Option<String>, Error> {
        Ok(self.text("tokenizer.chat_template").map(str::to_owned))
    }

    fn spelling(&self, weight: Weight) -> String {
        spelling(weight)
    }

    fn shape(&self, weight: Weight) -> Option<&[usize]> {
        Some(&self.stored(weight)?.1.shape)
    }

    fn tensors(&self) -> Vec<(&str, Option<Weight>)> {
        let names = self.header.tensors.keys().filter(|name| *name != ROPE_DIVISORS);
        names.map(|name| (name.as_str(), weight(name))).collect()
    }

    fn formats(&self) -> BTreeMap<&'static str, u64> {
        let mut formats = BTreeMap::new();
        for stored in self.header.tensors.values() {
            *formats.entry(stored.format.label()).or_default() += stored.n_bytes;
        }
        formats
    }

    /// Formats with a kernel of their own stay as they are stored; others become `F32`, which costs
    /// four bytes a weight, so such a model takes several times its file in memory.
    fn matrix(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Matrix, Error> {
        check_shape(self, weight, &[n_out, n_in])?;
        let (name, stored) = self.found(weight)?;
        let matrix = if let Some(format) = stored.format.kernel() {
            let bytes = self.bytes(&stored)?;
            Matrix::from_bytes(&mut self.store, format, &bytes, n_out, n_in)
        } else {
            let values = self.floats(&name, &stored)?;
            Matrix::from_f32(&mut self.store, &values, n_out, n_in)
        };
        matrix.map_err(Error::read(&self.path))
    }

    fn numbers(&mut self, weight: Weight, n_out: usize, n_in: usize) -> Result<Vec<f32>, Error> {
        check_shape(self, weight, &[n_out, n_in])?;
        let (name, stored) = self.found(weight)?;
        self.floats(&name, &stored)
    }

    fn vector(&mut self, weight: Weight, len: usize) -> Result<Vec<f32>, Error> {
        check_shape(self, weight, &[len])?;
        let (name, stored) = self.found(weight)?;
        self.floats(&name, &stored)
    }

    fn problem(&self, problem: ModelProblem) -> Error {
        problem.of(&self.path)
    }
}

impl Stated for Gguf<'_> {
    fn count(&self, key: &str) -> Option<usize> {
        match self.value(key) {
            Some(Value::Whole(count)) => usize::try_from(*count).ok(),
            _ => None,
        }
    }
}

/// What llama.cpp's converter calls a tensor.
pub fn spelling(weight: Weight) -> String {
    match weight {
        Weight::Embedding => "token_embd.weight".to_owned(),
        Weight::Norm => "output_norm.weight".to_owned(),
        Weight::Head => "output.weight".to_owned(),
        Weight::Layer(layer_idx, part) => format!("blk.{layer_idx}.{}.weight", part_name(part)),
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::AttnNorm => "attn_norm",
        Part::Query => "attn_q",
        Part::Key => "attn_k",
        Part::Value => "attn_v",
        Part::Output => "attn_output",
        Part::FfnNorm => "ffn_norm",
        Part::Gate => "ffn_gate",
        Part::Up => "ffn_up",
        Part::Down => "ffn_down",
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
    let (layer_idx, part) = name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
    let part = Part::ALL.into_iter().find(|known| part_name(*known) == part)?;
    let weight = Weight::Layer(layer_idx.parse().ok()?, part);
    // A number may be written in several ways; only one is a name.
    (spelling(weight) == name).then_some(weight)
}

/// A tensor's bytes as plain numbers.
///
/// # Errors
/// If they cannot be read, in words.
pub fn dequantize(stored: &Stored, bytes: Vec<u8>) -> Result<Vec<f32>, String> {
    QStorage::from_data(bytes.into(), &Device::Cpu, stored.format.candle())
        .and_then(|storage| QTensor::new(storage, &stored.shape[..]))
        .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1())
        .map_err(|error| first_line(&error))
}

/// candle adds a backtrace below its message.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
