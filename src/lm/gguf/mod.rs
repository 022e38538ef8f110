//! Models in GGUF, the format of llama.cpp: everything in one file.

mod file;
mod format;
mod header;
mod sizes;
mod vocabulary;

pub use file::{Gguf, dequantize, spelling, weight};
pub use header::{Header, Value};
