//! Checkpoints that torch has saved: what is in them, without running any of it.

mod archive;
mod pickle;
mod state;

pub use state::{Stored, StoredType, is_checkpoint, read};
