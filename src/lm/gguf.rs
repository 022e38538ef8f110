//! A model file in the GGUF format: its values and tensors, checked before they are believed.
//!
//! candle reads the header and the tensors of rare formats; what it would stumble over (an
//! alignment of zero, sizes that overflow, offsets beyond the end) is looked at first.
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use candle_core::{
    Device,
    quantized::{
        GgmlDType,
        gguf_file::{Content, TensorInfo, Value},
    },
};

use super::{Error, ModelProblem, gguf_alignment::stated_alignment};
use crate::{
    job::Cancelled,
    nn::kernels::{Matrix, WeightFormat},
};

/// Hears how many bytes of tensors have been read, of how many.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), Cancelled>;

/// An open model file.
pub struct Gguf<'a> {
    path: PathBuf,
    file: BufReader<File>,
    content: Content,
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
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(|_| ModelProblem::NotGguf.of(path))?;
        if magic != *b"GGUF" {
            return Err(ModelProblem::NotGguf.of(path));
        }
        if stated_alignment(&mut file).is_ok_and(|alignment| alignment == Some(0)) {
            return Err(ModelProblem::Header("its alignment is zero".into()).of(path));
        }
        file.seek(SeekFrom::Start(0)).map_err(Error::read(path))?;
        let content = Content::read(&mut file)
            .map_err(|error| ModelProblem::Header(first_line(&error)).of(path))?;

        let mut total = 0;
        for (name, tensor) in &content.tensor_infos {
            let n_bytes_of_tensor = tensor_bytes(name, tensor).map_err(|it| it.of(path))?;
            let expected = content
                .tensor_data_offset
                .checked_add(tensor.offset)
                .and_then(|start| start.checked_add(n_bytes_of_tensor))
                .ok_or_else(|| ModelProblem::Header("an offset overflows".into()).of(path))?;
            if expected > n_bytes {
                return Err(ModelProblem::Truncated { found: n_bytes, expected }.of(path));
            }
            total += n_bytes_of_tensor;
        }
        Ok(Self { path: path.to_owned(), file, content, on_progress, done: 0, total })
    }

    /// The error that tells of a problem in this file.
    pub fn problem(&self, problem: ModelProblem) -> Error {
        problem.of(&self.path)
    }

    /// A text; `None` if the file does not state it.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.content.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A yes or no; `None` if the file does not state it.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.content.metadata.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A count or an index; `None` if the file does not state it.
    pub fn count(&self, key: &str) -> Option<usize> {
        match self.content.metadata.get(key)? {
            Value::U8(n) => Some((*n).into()),
            Value::U16(n) => Some((*n).into()),
            Value::U32(n) => usize::try_from(*n).ok(),
            Value::U64(n) => usize::try_from(*n).ok(),
            Value::I8(n) => usize::try_from(*n).ok(),
            Value::I16(n) => usize::try_from(*n).ok(),
            Value::I32(n) => usize::try_from(*n).ok(),
            Value::I64(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A number; `None` if the file does not state it.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.content.metadata.get(key)? {
            Value::F32(number) => Some((*number).into()),
            Value::F64(number) => Some(*number),
            _ => None,
        }
    }

    /// A list of texts; empty if the file does not state it.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let Some(Value::Array(values)) = self.content.metadata.get(key) else { return Vec::new() };
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        values.iter().filter_map(text).collect()
    }

    /// A list of small numbers; empty if the file does not state it.
    pub fn codes(&self, key: &str) -> Vec<i64> {
        let Some(Value::Array(values)) = self.content.metadata.get(key) else { return Vec::new() };
        let code = |value: &Value| match value {
            Value::I32(n) => Some(i64::from(*n)),
            value => value.to_i64().ok().or_else(|| i64::try_from(value.to_u64().ok()?).ok()),
        };
        values.iter().filter_map(code).collect()
    }

    /// Whether the file has a tensor.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// The names of all tensors.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.content.tensor_infos.keys().map(String::as_str)
    }

    /// A tensor's shape.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize], Error> {
        Ok(self.tensor(name)?.shape.dims())
    }

    /// The weights of a linear layer, `(n_out, n_in)`.
    ///
    /// `Q4_1`, `Q8_0` and `F32` stay as they are stored; other formats become `F32`, which costs
    /// four bytes a weight, so such a model takes several times its file in memory.
    ///
    /// # Errors
    /// If there is no such tensor of that shape, it cannot be read, or the load was cancelled.
    pub fn matrix(&mut self, name: &str, n_out: usize, n_in: usize) -> Result<Matrix, Error> {
        self.check_shape(name, &[n_out, n_in])?;
        let format = match self.tensor(name)?.ggml_dtype {
            GgmlDType::F32 => WeightFormat::F32,
            GgmlDType::Q4_1 => WeightFormat::Q4_1,
            GgmlDType::Q8_0 => WeightFormat::Q8_0,
            _ => return Ok(Matrix::from_f32(&self.dequantize(name)?, n_out, n_in)),
        };
        if format.row_bytes(n_in).is_none() {
            let why = format!("rows of {n_in} are not made of whole blocks");
            return Err(self.problem(ModelProblem::Tensor { name: name.to_owned(), why }));
        }
        let bytes = self.bytes(name)?;
        Ok(Matrix::from_bytes(format, &bytes, n_out, n_in))
    }

    /// A vector of plain numbers, whatever the format.
    ///
    /// # Errors
    /// As [`Gguf::matrix`].
    pub fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        self.check_shape(name, &[len])?;
        self.dequantize(name)
    }

    fn tensor(&self, name: &str) -> Result<&TensorInfo, Error> {
        let missing = || self.problem(ModelProblem::MissingTensor(name.to_owned()));
        self.content.tensor_infos.get(name).ok_or_else(missing)
    }

    fn check_shape(&self, name: &str, expected: &[usize]) -> Result<(), Error> {
        let found = self.shape(name)?;
        if found == expected {
            return Ok(());
        }
        let (name, found) = (name.to_owned(), found.to_vec());
        Err(self.problem(ModelProblem::Shape { name, found, expected: expected.to_vec() }))
    }

    /// The tensor's bytes as they stand in the file, which [`Gguf::open`] found long enough.
    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let tensor = self.tensor(name)?;
        let start = self.content.tensor_data_offset + tensor.offset;
        let n_bytes = tensor_bytes(name, tensor).map_err(|it| self.problem(it))?;
        let mut bytes = vec![0; n_bytes as usize];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(Error::read(&self.path))?;
        self.progress(n_bytes)?;
        Ok(bytes)
    }

    fn dequantize(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        let tensor = self.tensor(name)?;
        let n_bytes = tensor_bytes(name, tensor).map_err(|it| self.problem(it))?;
        let values = self
            .content
            .tensor(&mut self.file, name, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1());
        let values = values.map_err(|error| {
            let (name, why) = (name.to_owned(), first_line(&error));
            self.problem(ModelProblem::Tensor { name, why })
        })?;
        self.progress(n_bytes)?;
        Ok(values)
    }

    fn progress(&mut self, n_bytes: u64) -> Result<(), Error> {
        self.done += n_bytes;
        Ok((self.on_progress)(self.done, self.total)?)
    }
}

/// Bytes of a tensor in the file.
fn tensor_bytes(name: &str, tensor: &TensorInfo) -> Result<u64, ModelProblem> {
    let problem = |why: &str| ModelProblem::Tensor { name: name.to_owned(), why: why.to_owned() };
    let n_values = tensor
        .shape
        .dims()
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim))
        .filter(|&n_values| n_values > 0)
        .ok_or_else(|| problem("its shape is impossible"))?;
    let block = tensor.ggml_dtype.block_size();
    if !n_values.is_multiple_of(block) {
        return Err(problem("it is not made of whole blocks"));
    }
    let n_bytes = (n_values / block).checked_mul(tensor.ggml_dtype.type_size());
    n_bytes.map(|n_bytes| n_bytes as u64).ok_or_else(|| problem("its size is impossible"))
}

/// candle adds a backtrace below its message.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
