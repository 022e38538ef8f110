//! Models as Hugging Face lays them out: a folder of JSON beside safetensors.

mod folder;
mod shard;
mod sizes;
mod vocabulary;

pub use folder::{HuggingFace, interleave, spelling, weight};
pub use shard::{Float, Shard};
pub use sizes::{StatedConfig, read as read_config};
