//! LoRA adapters: low-rank changes to linear layers, put on and taken off without touching the base.
//!
//! `y = W x + s · B (A x)`, with `A` `(rank, n_in)` and `B` `(n_out, rank)`,
//! <https://arxiv.org/abs/2106.09685>; `s` is alpha over the rank, or over its root
//! (<https://arxiv.org/abs/2312.03732>), times what the user wants of it. Rows of several adapters
//! share a pass as in <https://arxiv.org/abs/2311.03285>: the base's product once for all of them,
//! then each adapter's for its own rows.

mod apply;
mod file;
mod fit;
mod gguf;
mod inspect;
mod peft;
mod peft_config;
mod problem;
mod set;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod tiny;
mod weights;

pub use apply::{AdapterScratch, RowsOfAdapter, apply, rows_by_adapter};
pub use inspect::{AdapterInspection, ModelSizes, inspect_adapter, is_adapter};
pub use problem::AdapterProblem;
pub use set::{AdapterKey, AdapterSet};
pub use weights::{Adapter, Input};
