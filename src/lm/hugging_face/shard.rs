//! One safetensors file: its list of contents, checked before it is believed, and its bytes.
//!
//! Format: <https://huggingface.co/docs/safetensors>. Only the list is read at first, so that a
//! model can be looked at without reading gigabytes.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    lm::{Error, ModelProblem},
    nn::kernels::{Matrix, Store, WeightFormat},
};

/// Bytes of the list of contents at most, as the format has it.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// How a tensor's numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// Four bytes.
    F32,
    /// Two bytes: half precision.
    F16,
    /// Two bytes: the upper half of single precision.
    BF16,
}

/// Where a tensor lies in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length of each dimension, row-major.
    pub shape: Vec<usize>,
    /// How its numbers are written.
    pub float: Float,
    start: u64,
    n_bytes: u64,
}

/// An open file.
#[derive(Debug)]
pub struct Shard {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, by name.
    pub tensors: HashMap<String, Stored>,
    file: File,
}

#[derive(Deserialize)]
struct Contents {
    #[serde(rename = "__metadata__")]
    _metadata: Option<IgnoredAny>,
    #[serde(flatten)]
    tensors: HashMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

impl Float {
    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::F32, Self::F16, Self::BF16].into_iter().find(|float| float.label() == name)
    }

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        }
    }

    /// Bytes of a number.
    pub fn n_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Numbers from their bytes.
    pub fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect(),
            Self::F16 => {
                bytes.as_chunks().0.iter().map(|it| f16::from_le_bytes(*it).to_f32()).collect()
            }
            Self::BF16 => {
                bytes.as_chunks().0.iter().map(|it| bf16::from_le_bytes(*it).to_f32()).collect()
            }
        }
    }

    /// `(n_out, n_in)` weights from their bytes, as narrow as they are stored.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn matrix(
        self,
        store: &mut Store,
        bytes: &[u8],
        n_out: usize,
        n_in: usize,
    ) -> io::Result<Matrix> {
        let format = match self {
            Self::F32 => WeightFormat::F32,
            Self::F16 => WeightFormat::F16,
            Self::BF16 => WeightFormat::Bf16,
        };
        Matrix::from_bytes(store, format, bytes, n_out, n_in)
    }
}

impl Stored {
    /// Bytes that it takes.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }
}

impl Shard {
    /// Opens a file and checks that all its tensors lie within it.
    ///
    /// # Errors
    /// If it cannot be read, or is no sound safetensors file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::read(path))?;
        let n_bytes = file.metadata().map_err(Error::read(path))?.len();
        let damaged = |why: &str| ModelProblem::Header(why.to_owned()).of(path);
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| damaged("it has no list of contents"))?;
        let header_bytes = u64::from_le_bytes(length);
        if header_bytes > MOST_HEADER_BYTES || header_bytes > n_bytes - 8 {
            return Err(damaged("it ends within its list of contents"));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(Error::read(path))?;
        let contents: Contents =
            serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
        drop(header);
        let data = 8 + header_bytes;
        let mut tensors = HashMap::with_capacity(contents.tensors.len());
        let mut total = 0u64;
        for (name, entry) in contents.tensors {
            let stored = entry.place(&name, data, n_bytes).map_err(|problem| problem.of(path))?;
            total = total.saturating_add(stored.n_bytes);
            tensors.insert(name, stored);
        }
        // What is read twice would be held twice.
        if total > n_bytes - data {
            return Err(damaged("its tensors overlap"));
        }
        Ok(Self { path: path.to_owned(), tensors, file })
    }

    /// A tensor's bytes, which [`Shard::open`] found within the file.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn bytes(&mut self, stored: &Stored) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; stored.n_bytes as usize];
        self.file
            .seek(SeekFrom::Start(stored.start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(Error::read(&self.path))?;
        Ok(bytes)
    }
}

impl Entry {
    fn place(self, name: &str, data: u64, n_bytes: u64) -> Result<Stored, ModelProblem> {
        let problem = |why: String| ModelProblem::Tensor { name: name.to_owned(), why };
        let [start, end] = self.data_offsets;
        let float = Float::of_name(&self.dtype).ok_or_else(|| {
            problem(format!("it is stored as {}, known are F32, F16, BF16", self.dtype))
        })?;
        let expected = self
            .shape
            .iter()
            .try_fold(float.n_bytes(), |product, &dim| product.checked_mul(dim))
            .filter(|n_bytes| *n_bytes > 0)
            .ok_or_else(|| problem("its shape is impossible".to_owned()))?;
        if end.checked_sub(start) != Some(expected as u64) {
            return Err(problem("its bytes do not fit its shape".to_owned()));
        }
        match data.checked_add(end) {
            Some(end) if end <= n_bytes => {
                let (start, n_bytes) = (data + start, expected as u64);
                Ok(Stored { shape: self.shape, float, start, n_bytes })
            }
            end => {
                let expected = end.unwrap_or(u64::MAX);
                Err(ModelProblem::Truncated { found: n_bytes, expected })
            }
        }
    }
}
