//! What can go wrong between a model file and its words.

use std::path::{Path, PathBuf};

use super::{adapters::AdapterProblem, speculative::Misgrown};
use crate::{job::Cancelled, nn::DeviceFault};

/// Why a model could not be loaded, or a reply not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read the model: {why}: {}", path.display())]
    Read {
        /// What the system said.
        why: std::io::Error,
        /// Which file.
        path: PathBuf,
    },
    /// The file is no model, or not one that can be used here.
    #[error("cannot use the model: {problem}: {}", path.display())]
    Model {
        /// What is wrong with it.
        problem: ModelProblem,
        /// Which file.
        path: PathBuf,
    },
    /// The files are no adapter, or not one that can be used here.
    #[error("cannot use the adapter: {problem}: {}", path.display())]
    Adapter {
        /// What is wrong with it.
        problem: Box<AdapterProblem>,
        /// Which folder or file.
        path: PathBuf,
    },
    /// An adapter that was loaded for another model.
    #[error("the adapter {adapter} was loaded for a model of other sizes; load it for this one")]
    AdapterOfOtherModel {
        /// Which.
        adapter: String,
    },
    /// Adapters are not provided for on graphics processors.
    #[error(
        "adapters run on the CPU only so far, and the language model is on a graphics processor; \
         choose the CPU, or write without adapters"
    )]
    AdapterOnDevice,
    /// A factor that is no number.
    #[error("the scale of the adapter {adapter} is {scale}; it has to be a number, 1 as trained")]
    AdapterScale {
        /// Which.
        adapter: String,
        /// The factor.
        scale: f32,
    },
    /// An adapter that stands twice in a set.
    #[error("the adapter {adapter} is named twice; name it once, with the scale that is wanted")]
    AdapterTwice {
        /// Which.
        adapter: String,
    },
    /// The model's file brings no chat template.
    #[error("the model has no chat template; take an instruct or chat model")]
    NoChatTemplate,
    /// The model's chat template refused the conversation.
    #[error("the model's chat template cannot render this conversation: {why}")]
    ChatTemplate {
        /// What the template said.
        why: String,
    },
    /// Text that the tokenizer could not split.
    #[error("cannot split the text into tokens: {why}")]
    Tokenize {
        /// What the tokenizer said.
        why: String,
    },
    /// There is nothing to continue.
    #[error("the prompt is empty; write a message")]
    EmptyPrompt,
    /// The prompt leaves no room for a reply.
    #[error(
        "the prompt has {n_tokens} tokens and the model's context holds {context_length}; \
         shorten the conversation"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        n_tokens: usize,
        /// Tokens that the model can look at.
        context_length: usize,
    },
    /// A prompt with a token that the model does not have.
    #[error("the prompt has token {id}, and the model knows 0 to {last}")]
    UnknownToken {
        /// The token.
        id: u32,
        /// The model's last token.
        last: usize,
    },
    /// No token was asked for.
    #[error("max tokens is 0; ask for at least 1")]
    NoTokens,
    /// Sampling parameters out of range.
    #[error("{0}")]
    Sampling(String),
    /// An EAGLE-3 head that cannot be used.
    #[error("cannot use the EAGLE-3 head: {why}: {}", path.display())]
    Head {
        /// What is wrong with it.
        why: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Speculation that cannot be had, with the reason.
    #[error("{0}")]
    Speculation(String),
    /// More alternatives than are given.
    #[error("{asked} alternatives are asked for each token; ask for 0 to {most}")]
    TopLogprobs {
        /// How many.
        asked: usize,
        /// The most there are.
        most: usize,
    },
    /// Too many replies are waiting.
    #[error("{waiting} replies are waiting already; try again when one has ended")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// Keys and values that could never fit.
    #[error(
        "a reply of up to {n_tokens} tokens, prompt included, needs {} for keys and values, and {} \
         may be used; ask for fewer tokens, or raise the limit in the settings",
        size(*needed), size(*budget)
    )]
    KvTooLarge {
        /// Bytes that it would take.
        needed: u64,
        /// Bytes that all replies may take.
        budget: u64,
        /// Tokens of the prompt and the longest reply.
        n_tokens: usize,
    },
    /// A drafter that does not do what drafters do.
    #[error("the reply's drafter is at fault: {0}; switch speculation off and report this")]
    Drafter(#[from] Misgrown),
    /// A fault in the program that concerns one reply.
    #[error("the reply broke off by a fault in the program ({0}); please report this")]
    Panicked(String),
    /// The model's output is not a number.
    #[error("the model's output is not a number; its file may be damaged, fetch it again")]
    NotANumber,
    /// A graphics processor that gave up.
    #[error(
        "the graphics processor broke off ({0}); if its memory is full ask for fewer tokens or take \
         a smaller model, else choose the CPU"
    )]
    Device(#[from] DeviceFault),
    /// The job was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Bytes for people, rounded up.
fn size(n_bytes: u64) -> String {
    match n_bytes {
        0..10_000_000 => format!("{} kB", n_bytes.div_ceil(1000)),
        _ => format!("{} MB", n_bytes.div_ceil(1_000_000)),
    }
}

/// What is wrong with a model file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelProblem {
    /// It is no model of any known format.
    #[error(
        "it is neither a GGUF file nor a folder with config.json, tokenizer.json and safetensors"
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
    /// Its list of contents makes no sense.
    #[error("its header is damaged ({0}); fetch it again")]
    Header(String),
    /// It ends too early.
    #[error("it ends after {found} bytes of {expected}; fetch it again")]
    Truncated {
        /// Bytes in the file.
        found: u64,
        /// Bytes that its header speaks of.
        expected: u64,
    },
    /// A model of another family.
    #[error("its architecture is {found:?}, {known}")]
    Architecture {
        /// Which family.
        found: String,
        /// Which would do, in words.
        known: &'static str,
    },
    /// A value that every model states.
    #[error("it does not state {0:?}")]
    MissingValue(String),
    /// A value that cannot be.
    #[error("it states {key:?} as {value}, expected {expected}")]
    BadValue {
        /// Which value.
        key: String,
        /// What it states.
        value: String,
        /// What would do.
        expected: String,
    },
    /// A tensor that every such model has.
    #[error("tensor {0:?} is missing")]
    MissingTensor(String),
    /// A tensor that no such model has.
    #[error("tensor {0:?} {why}", why = why_unknown(.0))]
    UnknownTensor(String),
    /// A tensor of the wrong shape.
    #[error("tensor {name:?} is {found:?}, expected {expected:?}")]
    Shape {
        /// Which tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the model's sizes ask for.
        expected: Vec<usize>,
    },
    /// A tensor that cannot be read.
    #[error("tensor {name:?} cannot be read ({why})")]
    Tensor {
        /// Which tensor.
        name: String,
        /// Why not.
        why: String,
    },
    /// A tokenizer that cannot be built.
    #[error("its tokenizer cannot be built ({0})")]
    Tokenizer(String),
    /// A chat template that cannot be compiled.
    #[error("its chat template cannot be read ({0})")]
    ChatTemplate(String),
}

/// What a tensor that no Llama has tells of the model.
fn why_unknown(name: &str) -> &'static str {
    if name.rsplit('.').next() == Some("bias") {
        "is a bias, and layers with biases are not provided for"
    } else if name.contains("_exps.") || name.contains("gate_inp") || name.contains("experts") {
        "belongs to a mixture of experts, which is not provided for"
    } else {
        "belongs to no model of this architecture"
    }
}

impl Error {
    /// Whether the request was at fault, not the model or the machine.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            Self::ChatTemplate { .. }
                | Self::Tokenize { .. }
                | Self::EmptyPrompt
                | Self::PromptTooLong { .. }
                | Self::UnknownToken { .. }
                | Self::NoTokens
                | Self::Sampling(_)
                | Self::Speculation(_)
                | Self::TopLogprobs { .. }
                | Self::KvTooLarge { .. }
                | Self::Adapter { .. }
                | Self::AdapterOfOtherModel { .. }
                | Self::AdapterOnDevice
                | Self::AdapterScale { .. }
                | Self::AdapterTwice { .. }
        )
    }

    /// For reading and seeking in a file.
    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |why| Self::Read { why, path }
    }
}

impl ModelProblem {
    /// The error that tells of this problem in a file.
    pub(super) fn of(self, path: &Path) -> Error {
        Error::Model { problem: self, path: path.to_owned() }
    }
}
