//! An open adapter, whatever its files: pairs of small matrices and where they lie.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::f16;

use super::{AdapterProblem, gguf, peft, peft_config::PeftConfig};
use crate::{
    domain::{AdaptedModule, AdapterInfo},
    lm::{
        Error,
        checkpoint::{Part, Weight},
        gguf::{Header, dequantize},
        hugging_face::{self, Float, Shard, interleave},
    },
};

/// A linear layer's change, as the files have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Which block.
    pub layer_idx: usize,
    /// Which of its linear layers.
    pub part: Part,
    /// What its product is multiplied by.
    pub scale: f64,
    /// Rows of the first matrix, columns of the second.
    pub rank: usize,
    /// Inputs of the layer.
    pub n_in: usize,
    /// Outputs of the layer.
    pub n_out: usize,
    /// The tensor `(rank, n_in)`.
    pub a: String,
    /// The tensor `(n_out, rank)`.
    pub b: String,
}

/// One of two matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// From the inputs to the rank.
    A,
    /// From the rank to the outputs.
    B,
}

/// The numbers of a matrix.
#[derive(Debug, Clone)]
pub struct Values {
    /// How they are written.
    pub float: Float,
    /// Row after row.
    pub bytes: Vec<u8>,
}

/// Where tensors come from.
pub enum Source {
    /// A safetensors file.
    Safetensors(Shard),
    /// A checkpoint of torch's, in memory.
    Torch(HashMap<String, Values>),
    /// A GGUF file.
    Gguf(File, Header),
}

/// An open adapter; its pairs are sound, and yet to be compared with a model.
pub struct AdapterFile {
    /// The folder or file.
    pub path: PathBuf,
    /// Its files, the one it is known by first.
    pub files: Vec<PathBuf>,
    /// What it is called.
    pub name: String,
    /// The model that it names as its base.
    pub base: Option<String>,
    /// Alpha, where modules have none of their own.
    pub alpha: f64,
    /// By layer, then in the order of the arithmetic.
    pub pairs: Vec<Pair>,
    /// What a PEFT folder states.
    pub config: Option<PeftConfig>,
    /// Each tensor's format and bytes, by name.
    pub stored: HashMap<String, (&'static str, u64)>,
    /// The tensors.
    pub source: Source,
}

impl AdapterFile {
    /// Opens a PEFT folder, one of its files, or a GGUF file.
    ///
    /// # Errors
    /// If it is neither, cannot be read, is damaged, or changes more than linear layers.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = peft::folder(path) {
            return peft::open(&folder);
        }
        if path.is_file() {
            return gguf::open(path);
        }
        if path.exists() {
            return Err(AdapterProblem::Unrecognized.of(path));
        }
        std::fs::metadata(path).map_err(Error::read(path))?;
        Err(AdapterProblem::Unrecognized.of(path))
    }

    /// How its files are laid out.
    pub fn layout(&self) -> &'static str {
        if matches!(self.source, Source::Gguf(..)) { "GGUF" } else { "PEFT" }
    }

    /// What a tensor holds.
    ///
    /// # Errors
    /// If it cannot be read, or a number in it is none.
    pub fn values(&mut self, name: &str) -> Result<Values, Error> {
        let missing = || AdapterProblem::tensor(name, "is missing").of(&self.path);
        let values = match &mut self.source {
            Source::Safetensors(shard) => {
                let stored = shard.tensors.get(name).cloned().ok_or_else(missing)?;
                Values { float: stored.float, bytes: shard.bytes(&stored)? }
            }
            Source::Torch(tensors) => tensors.remove(name).ok_or_else(missing)?,
            Source::Gguf(file, header) => {
                let stored = header.tensors.get(name).ok_or_else(missing)?;
                let mut bytes = vec![0; stored.n_bytes as usize];
                file.seek(SeekFrom::Start(stored.start))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(Error::read(&self.path))?;
                match Float::of_name(stored.format.label()) {
                    Some(float) => Values { float, bytes },
                    None => dequantize(stored, bytes)
                        .map(|values| Values::of_f32(&values))
                        .map_err(|why| {
                            AdapterProblem::tensor(name, format!("cannot be read ({why})"))
                                .of(&self.path)
                        })?,
                }
            }
        };
        if !values.float.read(&values.bytes).iter().all(|value| value.is_finite()) {
            let why = "holds a number that is none (NaN or infinity); its training went wrong, or \
                       it is damaged: fetch it again";
            return Err(AdapterProblem::tensor(name, why).of(&self.path));
        }
        Ok(values)
    }

    /// The second matrix of a pair, its rows in the order of our queries and keys.
    ///
    /// # Errors
    /// As [`AdapterFile::values`].
    pub fn outputs(&mut self, pair: &Pair, head_dim: usize) -> Result<Values, Error> {
        let mut values = self.values(&pair.b)?;
        // GGUF files have the rows in that order already.
        let is_turned = matches!(pair.part, Part::Query | Part::Key);
        if is_turned && !matches!(self.source, Source::Gguf(..)) {
            let row_bytes = pair.rank * values.float.n_bytes();
            values.bytes = interleave(&values.bytes, row_bytes, head_dim);
        }
        Ok(values)
    }

    /// What it is, for people.
    pub fn info(&self) -> AdapterInfo {
        let mut modules: Vec<(Part, AdaptedModule)> = Vec::new();
        for pair in &self.pairs {
            match modules.iter_mut().find(|(part, _)| *part == pair.part) {
                Some((_, module)) => module.n_layers += 1,
                None => modules.push((
                    pair.part,
                    AdaptedModule {
                        name: module_name(pair.part),
                        n_in: pair.n_in,
                        n_out: pair.n_out,
                        n_layers: 1,
                    },
                )),
            }
        }
        modules.sort_by_key(|(part, _)| *part);
        let mut formats: BTreeMap<&str, u64> = BTreeMap::new();
        for (format, n_bytes) in self.stored.values() {
            *formats.entry(format).or_default() += n_bytes;
        }
        let mut formats: Vec<_> = formats.into_iter().collect();
        formats.sort_by_key(|(_, n_bytes)| std::cmp::Reverse(*n_bytes));
        let weights = |pair: &Pair| (pair.rank * (pair.n_in + pair.n_out)) as u64;
        AdapterInfo {
            name: self.name.clone(),
            layout: self.layout().to_owned(),
            bytes: formats.iter().map(|(_, n_bytes)| n_bytes).sum(),
            formats: formats.into_iter().map(|(format, _)| format.to_owned()).collect(),
            rank: self.pairs.iter().map(|pair| pair.rank).max().unwrap_or(0),
            alpha: self.alpha,
            is_rank_stabilized: self.config.as_ref().is_some_and(|it| it.is_rank_stabilized),
            modules: modules.into_iter().map(|(_, module)| module).collect(),
            n_layers: self.pairs.iter().map(|pair| pair.layer_idx + 1).max().unwrap_or(0),
            n_parameters: self.pairs.iter().map(weights).sum(),
            base: self.base.clone(),
        }
    }
}

impl Values {
    /// Plain numbers of four bytes.
    pub fn of_f32(values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { float: Float::F32, bytes }
    }

    /// Numbers of four bytes in two, unless that would round away more than a thousandth of the
    /// largest.
    pub fn narrowed(self) -> Self {
        if self.float != Float::F32 {
            return self;
        }
        let values = self.float.read(&self.bytes);
        let peak = values.iter().fold(0f32, |peak, value| peak.max(value.abs()));
        // Below the first, halves lose bits; beyond the second, there are none.
        if !(f16::MIN_POSITIVE.to_f32()..f16::MAX.to_f32()).contains(&peak) {
            return self;
        }
        let bytes = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        Self { float: Float::F16, bytes }
    }

    /// The same numbers in four bytes each.
    pub fn widened(&self) -> Self {
        Self::of_f32(&self.float.read(&self.bytes))
    }
}

/// A tensor with its name and shape.
pub type Named = (String, Vec<usize>);

/// The halves that were found of each linear layer.
pub type Halves = BTreeMap<(usize, Part), [Option<Named>; 2]>;

/// Puts halves together; `of_module` gives rank and scale of a linear layer, the former `None` where
/// the tensors decide.
///
/// # Errors
/// If a half is missing, or the halves disagree about the rank.
pub fn pair_up(
    halves: Halves,
    spelling: impl Fn(usize, Part, Half) -> String,
    of_module: impl Fn(usize, Part, usize) -> (usize, f64),
) -> Result<Vec<Pair>, AdapterProblem> {
    let pair_of = |((layer_idx, part), halves): ((usize, Part), [Option<Named>; 2])| {
        let unpaired = |present: Named, half| AdapterProblem::Unpaired {
            present: present.0,
            missing: spelling(layer_idx, part, half),
        };
        let ((a, shape_a), (b, shape_b)) = match halves {
            [Some(a), Some(b)] => (a, b),
            [Some(a), None] => return Err(unpaired(a, Half::B)),
            [None, b] => return Err(unpaired(b.unwrap_or_default(), Half::A)),
        };
        let found = shape_a.first().copied().unwrap_or(0);
        let (rank, scale) = of_module(layer_idx, part, found);
        match (&shape_a[..], &shape_b[..]) {
            (&[rank_a, n_in], &[n_out, rank_b]) if rank_a == rank && rank_b == rank => {
                Ok(Pair { layer_idx, part, scale, rank, n_in, n_out, a, b })
            }
            _ => Err(AdapterProblem::Rank {
                module: module_path(layer_idx, part),
                a: shape_a,
                b: shape_b,
                rank,
            }),
        }
    };
    halves.into_iter().map(pair_of).collect()
}

/// Which linear layer that can be changed a tensor of the base is.
///
/// # Errors
/// If it is none, in words.
pub fn linear_layer(weight: Option<Weight>) -> Result<(usize, Part), &'static str> {
    match weight {
        Some(Weight::Layer(_, Part::AttnNorm | Part::FfnNorm) | Weight::Norm) => {
            Err("changes a norm, which is not provided for")
        }
        Some(Weight::Layer(layer_idx, part)) => Ok((layer_idx, part)),
        Some(Weight::Embedding) => Err("changes the embedding, which is not provided for"),
        Some(Weight::Head) => Err("changes the output head, which is not provided for"),
        None => Err("changes a module that no Llama has"),
    }
}

/// The path of a linear layer in Hugging Face's models: `model.layers.0.self_attn.q_proj`.
pub fn module_path(layer_idx: usize, part: Part) -> String {
    let weight = hugging_face::spelling(Weight::Layer(layer_idx, part));
    weight.trim_end_matches(".weight").to_owned()
}

/// Its last word: `q_proj`.
pub fn module_name(part: Part) -> String {
    module_path(0, part).rsplit('.').next().unwrap_or_default().to_owned()
}
