//! What can be wrong with an adapter's files.

use std::path::Path;

use crate::lm::Error;

/// Why an adapter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterProblem {
    /// It is no adapter of any known layout.
    #[error(
        "it is neither a PEFT folder with adapter_config.json and adapter_model.safetensors nor a \
         GGUF file of type adapter"
    )]
    Unrecognized,
    /// A file that its folder lacks.
    #[error("its file {0} is missing")]
    MissingFile(String),
    /// A file of it that cannot be understood.
    #[error("its file {file} cannot be read ({why})")]
    File {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A setting that is not provided for, or cannot be.
    #[error("it states {key:?} as {value}, expected {expected}")]
    Setting {
        /// Which.
        key: String,
        /// What it states.
        value: String,
        /// What would do, and why.
        expected: String,
    },
    /// A tensor that is no pair of a linear layer's.
    #[error("its tensor {name:?} {why}")]
    Tensor {
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// One half of a pair.
    #[error("its tensor {present:?} stands alone: {missing:?} is missing; fetch it again")]
    Unpaired {
        /// What is there.
        present: String,
        /// What is not.
        missing: String,
    },
    /// Halves of other ranks than stated.
    #[error(
        "the pair of {module:?} is {a:?} and {b:?}, expected [{rank}, inputs] and [outputs, {rank}]"
    )]
    Rank {
        /// Which.
        module: String,
        /// Shape of its first half.
        a: Vec<usize>,
        /// Shape of its second.
        b: Vec<usize>,
        /// The rank that goes for it.
        rank: usize,
    },
    /// A module that its settings name and its weights lack.
    #[error(
        "it is to change {0:?} and has no weights for it; it is cut short, or made for a model of other layers"
    )]
    MissingModule(String),
    /// A model of other sizes.
    #[error(
        "it was made for another model: it changes {module:?} from {n_in} inputs to {n_out} outputs, \
         where this model has {base_in} to {base_out}{}", named(.base.as_ref())
    )]
    OtherSizes {
        /// Which module.
        module: String,
        /// Inputs that the adapter takes.
        n_in: usize,
        /// Outputs that it changes.
        n_out: usize,
        /// Inputs of the model's.
        base_in: usize,
        /// Outputs of the model's.
        base_out: usize,
        /// The model that it names.
        base: Option<String>,
    },
    /// More layers than the model has.
    #[error(
        "it was made for another model: it changes layer {layer_idx}, and this model has {n_layers} \
         layers, counted from 0{}", named(.base.as_ref())
    )]
    OtherDepth {
        /// The layer.
        layer_idx: usize,
        /// Layers of the model.
        n_layers: usize,
        /// The model that it names.
        base: Option<String>,
    },
}

fn named(base: Option<&String>) -> String {
    base.map_or(String::new(), |base| format!("; it names {base} as its base"))
}

impl AdapterProblem {
    /// The error that tells of this problem in a file.
    pub fn of(self, path: &Path) -> Error {
        Error::Adapter { problem: Box::new(self), path: path.to_owned() }
    }

    /// A setting's problem.
    pub fn setting(key: &str, value: &impl ToString, expected: &str) -> Self {
        let (key, value, expected) = (key.to_owned(), value.to_string(), expected.to_owned());
        Self::Setting { key, value, expected }
    }

    /// A tensor's problem.
    pub fn tensor(name: &str, why: impl Into<String>) -> Self {
        Self::Tensor { name: name.to_owned(), why: why.into() }
    }
}
