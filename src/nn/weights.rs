//! Named tensors from a safetensors file or a checkpoint of torch, in f32 and with weight
//! normalization folded in.
//!
//! Source of the folding: "Weight Normalization", <https://arxiv.org/abs/1602.07868>:
//! `w = g · v / ‖v‖`, the norm over all dimensions but the first (which is the *input* channel of a
//! transposed convolution, as in torch). Four spellings are in use: `X.weight_g`/`X.weight_v`
//! (jik876), `X.parametrizations.weight.original0`/`original1` (torch 2), each with or without
//! `.conv` before it (SpeechBrain); a plain `X.weight` is taken as it is.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{
    ctranslate2,
    kernels::{Matrix, Store, WeightFormat},
    torch::{self, Stored, StoredType},
};

/// A tensor in f32, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// All values.
    pub values: Vec<f32>,
}

/// Why weights could not be used. Each message ends with the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read the weights: {why}: {}", path.display())]
    Read {
        /// What the system said.
        why: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The file is neither a whole safetensors file nor a whole checkpoint of torch.
    #[error("cannot read the weights: the file is damaged, or neither safetensors nor a checkpoint \
        of torch ({why}); fetch it again: {}", path.display())]
    Damaged {
        /// What is wrong.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// The system has no memory for them.
    #[error("there is no memory left for the weights ({why}); close something: {}", path.display())]
    Memory {
        /// What the system said.
        why: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A tensor is not there.
    #[error("cannot load the model: tensor \"{tensor}\" is missing; \
        the file belongs to another architecture: {}", path.display())]
    Missing {
        /// Its name.
        tensor: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor has another shape than the model needs.
    #[error("cannot load the model: tensor \"{tensor}\" is {found:?}, expected {expected}: {}",
        path.display())]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have, with words where any length will do.
        expected: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor holds something that is not a number.
    #[error("cannot load the model: tensor \"{tensor}\" holds values that are not finite; \
        train or fetch it again: {}", path.display())]
    NotFinite {
        /// Its name.
        tensor: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor is of a type that no weights have.
    #[error("cannot load the model: tensor \"{tensor}\" is of type {dtype}, \
        expected F16, BF16, F32 or F64: {}", path.display())]
    Dtype {
        /// Its name.
        tensor: String,
        /// Its type.
        dtype: String,
        /// The file.
        path: PathBuf,
    },
}

/// All floating-point tensors of a file.
#[derive(Debug)]
pub struct Weights {
    tensors: HashMap<String, Array>,
    /// Tensors of whole numbers: counters and tables.
    whole: HashMap<String, Vec<i64>>,
    path: PathBuf,
    /// Where matrices that are read one column at a time lie together.
    store: RefCell<Store>,
}

impl Weights {
    /// Tensors that are in memory already.
    pub fn from_arrays(arrays: impl IntoIterator<Item = (String, Array)>) -> Self {
        Self {
            tensors: arrays.into_iter().collect(),
            whole: HashMap::new(),
            path: PathBuf::new(),
            store: RefCell::default(),
        }
    }

    /// Reads a model of Whisper in `CTranslate2`'s layout; `/` in names is taken for `.`.
    ///
    /// # Errors
    /// If the file cannot be read, is not whole, or holds values that are not finite.
    pub fn read_ctranslate2(path: &Path) -> Result<Self, WeightsError> {
        let bytes =
            fs::read(path).map_err(|why| WeightsError::Read { why, path: path.to_owned() })?;
        let tensors = ctranslate2::read(&bytes)
            .map_err(|why| WeightsError::Damaged { why, path: path.to_owned() })?;
        let broken = tensors.iter().find(|(_, array)| !array.values.iter().all(|v| v.is_finite()));
        if let Some((name, _)) = broken {
            let tensor = name.clone();
            return Err(WeightsError::NotFinite { tensor, path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), ..Self::from_arrays(tensors) })
    }

    /// Reads a safetensors file or a checkpoint of torch; `module.` before names (torch's
    /// `DataParallel`) is dropped.
    ///
    /// # Errors
    /// If the file cannot be read, is not whole, or holds values that are not finite.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let bytes =
            fs::read(path).map_err(|why| WeightsError::Read { why, path: path.to_owned() })?;
        Self::parse(&bytes, path)
    }

    /// The same from what a file holds; `path` is what errors name.
    ///
    /// # Errors
    /// If the bytes are not whole, or hold values that are not finite.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, WeightsError> {
        let damaged = |why: String| WeightsError::Damaged { why, path: path.to_owned() };
        let (mut tensors, mut whole) = (HashMap::new(), HashMap::new());
        let mut insert = |name: &str, shape: &[usize], values: Vec<f32>| {
            let name = name.strip_prefix("module.").unwrap_or(name).to_owned();
            if !values.iter().all(|value| value.is_finite()) {
                return Err(WeightsError::NotFinite { tensor: name, path: path.to_owned() });
            }
            tensors.insert(name, Array { shape: shape.to_vec(), values });
            Ok(())
        };
        if torch::is_checkpoint(bytes) {
            for tensor in torch::read(bytes).map_err(damaged)? {
                if let Some(values) = stored_floats(&tensor) {
                    insert(&tensor.name, &tensor.shape, values)?;
                } else if tensor.dtype == StoredType::Whole(8) {
                    whole.insert(tensor.name, whole_numbers(&tensor.bytes));
                }
            }
            return Ok(Self { tensors, whole, path: path.to_owned(), store: RefCell::default() });
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
        for (name, view) in file.iter() {
            if view.dtype() == Dtype::I64 {
                whole.insert(name.to_owned(), whole_numbers(view.data()));
            }
            // Counters such as `num_batches_tracked` are no weights.
            if matches!(view.dtype(), Dtype::I64 | Dtype::I32 | Dtype::U8 | Dtype::BOOL) {
                continue;
            }
            let Some(values) = floats(&view) else {
                let dtype = format!("{:?}", view.dtype());
                let (tensor, path) = (name.to_owned(), path.to_owned());
                return Err(WeightsError::Dtype { tensor, dtype, path });
            };
            insert(name, view.shape(), values)?;
        }
        Ok(Self { tensors, whole, path: path.to_owned(), store: RefCell::default() })
    }

    /// The numbers of a tensor of 64-bit whole numbers; `None` if there is no such tensor.
    pub fn whole(&self, name: &str) -> Option<&[i64]> {
        self.whole.get(name).map(Vec::as_slice)
    }

    /// Takes in a tensor.
    #[cfg(test)]
    pub fn insert(&mut self, name: &str, array: Array) {
        self.tensors.insert(name.to_owned(), array);
    }

    /// Takes in the tensors of another file, each as `prefix.name`; complaints about them name this
    /// file.
    pub fn join(&mut self, prefix: &str, other: Self) {
        let renamed = other.tensors.into_iter();
        self.tensors.extend(renamed.map(|(name, array)| (format!("{prefix}.{name}"), array)));
    }

    /// Name and shape of every tensor, in the order of their names.
    pub fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, array)| (name.as_str(), array.shape.as_slice())).collect()
    }

    /// The tensors under a prefix; an empty one is the whole file.
    pub fn scope(&self, prefix: impl Into<String>) -> Scope<'_> {
        Scope { weights: self, prefix: prefix.into() }
    }
}

fn whole_numbers(bytes: &[u8]) -> Vec<i64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}

/// The tensors whose names begin with a prefix.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The scope `name` inside this one.
    #[must_use]
    pub fn scope(&self, name: impl std::fmt::Display) -> Self {
        Self { weights: self.weights, prefix: self.name(name) }
    }

    /// Whether there is a tensor of that name, or any under it.
    pub fn contains(&self, name: &str) -> bool {
        let (name, tensors) = (self.name(name), &self.weights.tensors);
        let under = format!("{name}.");
        tensors.contains_key(&name) || tensors.keys().any(|key| key.starts_with(&under))
    }

    /// How many there are of `name.0`, `name.1`, …
    pub fn count(&self, name: &str) -> usize {
        let limit = self.weights.tensors.len();
        (0..limit).take_while(|index| self.contains(&format!("{name}.{index}"))).count()
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// If it is missing.
    pub fn array(&self, name: &str) -> Result<&'a Array, WeightsError> {
        let tensor = self.name(name);
        self.weights
            .tensors
            .get(&tensor)
            .ok_or_else(|| WeightsError::Missing { tensor, path: self.weights.path.clone() })
    }

    /// The tensor of that name, which must have that shape; `None` stands for any length.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn shaped(&self, name: &str, shape: &[Option<usize>]) -> Result<&'a Array, WeightsError> {
        let array = self.array(name)?;
        self.check_shape(name, array, shape)?;
        Ok(array)
    }

    /// The vector of that name and length.
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, WeightsError> {
        Ok(self.shaped(name, &[Some(len)])?.values.clone())
    }

    /// The weight of the layer `name` in whichever spelling the file has, weight norm folded in.
    ///
    /// # Errors
    /// If it is missing in every spelling, or has another shape (`None`: any length).
    pub fn folded(&self, name: &str, shape: &[Option<usize>]) -> Result<Array, WeightsError> {
        for inner in ["", ".conv"] {
            let plain = format!("{name}{inner}.weight");
            if let Ok(weight) = self.array(&plain) {
                self.check_shape(&plain, weight, shape)?;
                return Ok(weight.clone());
            }
            for (g, v) in [
                ("weight_g", "weight_v"),
                ("parametrizations.weight.original0", "parametrizations.weight.original1"),
            ] {
                let v = format!("{name}{inner}.{v}");
                if let Ok(direction) = self.array(&v) {
                    self.check_shape(&v, direction, shape)?;
                    let gains = self.array(&format!("{name}{inner}.{g}"))?;
                    return self.fold(&format!("{name}{inner}.{g}"), gains, direction);
                }
            }
        }
        self.array(&format!("{name}.weight")).cloned()
    }

    /// Lays a weight `(n_out, n_in)` down for products with single columns, in half precision where
    /// that changes no weight.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn pack(&self, weight: &Array) -> Result<Matrix, WeightsError> {
        let (n_out, n_in) = (weight.shape[0], weight.shape[1]);
        let halves: Vec<f16> = weight.values.iter().map(|&value| f16::from_f32(value)).collect();
        let is_lossless =
            halves.iter().zip(&weight.values).all(|(half, &value)| half.to_f32() == value);
        let store = &mut self.weights.store.borrow_mut();
        let packed = if is_lossless {
            let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
            Matrix::from_bytes(store, WeightFormat::F16, &bytes, n_out, n_in)
        } else {
            Matrix::from_f32(store, &weight.values, n_out, n_in)
        };
        packed.map_err(|why| WeightsError::Memory { why, path: self.weights.path.clone() })
    }

    /// The bias of the layer `name`, in either spelling; zeros if it has none.
    ///
    /// # Errors
    /// If it has another length.
    pub fn bias(&self, name: &str, len: usize) -> Result<Vec<f32>, WeightsError> {
        for inner in ["", ".conv"] {
            let bias = format!("{name}{inner}.bias");
            if self.array(&bias).is_ok() {
                return self.vector(&bias, len);
            }
        }
        Ok(vec![0.0; len])
    }

    fn fold(&self, name: &str, gains: &Array, direction: &Array) -> Result<Array, WeightsError> {
        let n = direction.shape[0];
        if gains.values.len() != n {
            self.check_shape(name, gains, &[Some(n), Some(1), Some(1)])?;
        }
        let mut folded = direction.clone();
        let each = folded.values.len() / n.max(1);
        for (row, gain) in folded.values.chunks_exact_mut(each.max(1)).zip(&gains.values) {
            let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            // A row of zeros has no direction; torch makes NaN of it, silence is kinder.
            let factor = if norm > 0.0 { (f64::from(*gain) / norm) as f32 } else { 0.0 };
            for value in row {
                *value *= factor;
            }
        }
        Ok(folded)
    }

    fn check_shape(
        &self,
        name: &str,
        array: &Array,
        shape: &[Option<usize>],
    ) -> Result<(), WeightsError> {
        let fits = array.shape.len() == shape.len()
            && array
                .shape
                .iter()
                .zip(shape)
                .all(|(&found, &want)| found > 0 && want.is_none_or(|want| want == found));
        if fits {
            return Ok(());
        }
        let lengths: Vec<_> =
            shape.iter().map(|want| want.map_or("any".to_owned(), |n| n.to_string())).collect();
        Err(WeightsError::Shape {
            tensor: self.name(name),
            found: array.shape.clone(),
            expected: format!("[{}]", lengths.join(", ")),
            path: self.weights.path.clone(),
        })
    }

    /// A complaint about the shape of a tensor in this scope, for checks that only a model can make.
    pub fn unexpected(&self, name: &str, expected: impl Into<String>) -> WeightsError {
        let found = self.array(name).map(|array| array.shape.clone()).unwrap_or_default();
        let path = self.weights.path.clone();
        WeightsError::Shape { tensor: self.name(name), found, expected: expected.into(), path }
    }

    fn name(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

/// The values of a floating-point tensor; `None` for another type.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => values(bytes, f32::from_le_bytes),
        Dtype::F64 => values(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => values(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => values(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => return None,
    })
}

/// The same of a checkpoint's tensor; `None` for counters and masks.
fn stored_floats(tensor: &Stored) -> Option<Vec<f32>> {
    let bytes = &tensor.bytes;
    Some(match tensor.dtype {
        StoredType::F32 => values(bytes, f32::from_le_bytes),
        StoredType::F64 => values(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        StoredType::F16 => values(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        StoredType::Bf16 => values(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        StoredType::Whole(_) => return None,
    })
}

fn values<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file of f32 tensors and reads it back.
    fn read(tensors: &[(&str, &[usize], &[f32])]) -> Result<Weights, WeightsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (name.to_string(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
        });
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        Weights::read(&path)
    }

    #[test]
    fn every_spelling_of_weight_norm_folds_to_the_same_weight() {
        let (g, v): (&[f32], &[f32]) = (&[2.0, 5.0], &[3.0, 4.0, 0.0, 1.0]);
        let expected = [1.2, 1.6, 0.0, 5.0];
        for (g_name, v_name) in [
            ("up.weight_g", "up.weight_v"),
            ("up.conv.weight_g", "module.up.conv.weight_v"),
            ("up.parametrizations.weight.original0", "up.parametrizations.weight.original1"),
            (
                "up.conv.parametrizations.weight.original0",
                "up.conv.parametrizations.weight.original1",
            ),
        ] {
            let weights = read(&[(g_name, &[2, 1, 1], g), (v_name, &[2, 1, 2], v)]).unwrap();
            let folded = weights.scope("").folded("up", &[None, None, None]).unwrap();
            for (got, want) in folded.values.iter().zip(expected) {
                assert!((got - want).abs() < 1e-6, "{g_name}: {got}, expected {want}");
            }
        }
        let weights = read(&[("up.weight", &[2, 1, 2], v)]).unwrap();
        assert_eq!(weights.scope("").folded("up", &[None, None, None]).unwrap().values, v);
    }

    #[test]
    fn half_precision_becomes_f32() {
        let two: Vec<u8> =
            [1.5, -2.0].iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F16, vec![2], &two).unwrap();
        assert_eq!(floats(&view).unwrap(), [1.5, -2.0]);
        let two: Vec<u8> =
            [1.5, -2.0].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::BF16, vec![2], &two).unwrap();
        assert_eq!(floats(&view).unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn weights_are_halved_only_where_nothing_is_lost() {
        let weights = read(&[
            ("exact", &[2, 2], &[0.5, -2.25, 0.0, 1024.0]),
            ("other", &[2, 2], &[0.5, 0.1, 0.0, 1024.0]),
        ])
        .unwrap();
        let scope = weights.scope("");
        let packed = |name| scope.pack(scope.array(name).unwrap()).unwrap();
        let other = packed("other");
        assert_eq!(other.n_bytes(), 2 * packed("exact").n_bytes());
        let mut row = [0.0; 2];
        other.copy_row(0, &mut row);
        assert_eq!(row, [0.5, 0.1]);
    }

    #[test]
    fn complaints_name_the_tensor_both_shapes_and_the_file() {
        let weights = read(&[("a.weight", &[2, 3], &[0.0; 6])]).unwrap();
        let scope = weights.scope("a");
        let error = scope.shaped("weight", &[Some(2), Some(4)]).unwrap_err().to_string();
        assert!(error.contains("tensor \"a.weight\" is [2, 3], expected [2, 4]: "), "{error}");
        assert!(error.ends_with("model.safetensors"), "{error}");
        let error = scope.array("bias").unwrap_err().to_string();
        assert!(error.contains("tensor \"a.bias\" is missing"), "{error}");
    }

    #[test]
    fn values_that_are_not_numbers_are_refused() {
        let error = read(&[("w", &[2], &[1.0, f32::NAN])]).unwrap_err();
        assert!(matches!(&error, WeightsError::NotFinite { tensor, .. } if tensor == "w"));
    }

    #[test]
    fn no_truncated_or_scrambled_file_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes: Vec<u8> = (0..6).flat_map(|v| (v as f32).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2, 3], &bytes).unwrap();
        let whole = safetensors::serialize([("weight", view)], None).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(Weights::read(&path), Err(WeightsError::Damaged { .. })), "{cut}");
            let mut scrambled = whole.clone();
            scrambled[cut] ^= 0x55;
            fs::write(&path, &scrambled).unwrap();
            Weights::read(&path).ok();
        }
        assert!(matches!(
            Weights::read(&folder.path().join("none")),
            Err(WeightsError::Read { .. })
        ));
    }
}
