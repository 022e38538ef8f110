//! How far a long piece of work has come.

use serde::{Deserialize, Serialize};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Waiting for other jobs.
    Queue,
    /// Reading a model from disk.
    Load,
    /// Fetching a file.
    Download,
    /// Checking a file's hash.
    Verify,
    /// Copying a model's files into the library.
    Import,
    /// Reading the prompt.
    Prefill,
    /// Text to mel.
    Acoustic,
    /// Mel to sound.
    Vocoder,
    /// Taking figures.
    Measure,
}

/// Work done out of work to do, in the stage's own unit (bytes, tokens, sentences).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// To what: a model's name, a file.
    pub subject: String,
    /// How much is done.
    pub done: u64,
    /// How much there is; zero where nobody knows yet.
    pub total: u64,
}
