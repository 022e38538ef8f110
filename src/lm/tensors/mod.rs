//! The same transformer by candle's operations, for graphics processors.
//!
//! It reads the same files, takes the same [spans](super::transformer::Span) and gives the same
//! logits up to rounding. What it does not give is the CPU's promise that a row's bits do not depend
//! on its company: a vendor's products choose their order of summing by the number of rows.

mod kv_cache;
mod load;
mod replay;
mod sight;
mod transformer;

pub use kv_cache::KvCache;
pub use transformer::Transformer;

#[cfg(test)]
mod tests;
