//! Measures a language model: single passes, replies as the scheduler writes them, memory.

mod busy;
mod memory;
mod passes;
mod replies;
mod stopwatch;

pub use super::date::date_and_time;
pub use busy::Busy;
pub use memory::resident_bytes;
pub use passes::Passes;
pub use replies::{Written, first_token, together, written, written_by};
pub use stopwatch::Stopwatch;
