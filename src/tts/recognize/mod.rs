//! What a checkpoint is, told by the names and shapes of its tensors.

mod architectures;
mod inspect;
mod schema;

pub(super) use inspect::listed;
pub use inspect::{Recognized, inspect};
pub use schema::Complaint;
