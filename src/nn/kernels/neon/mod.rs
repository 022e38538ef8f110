//! The kernels on NEON registers of four lanes, bit for bit what `portable` computes.
//!
//! Lanes hold outputs (or positions, or dimensions), so every lane adds up in the order of the
//! plain loop. Every 64-bit ARM processor has NEON; byte products (`sdot`) are asked for.

mod attention;
mod blocks;
mod detect;
mod elementwise;
mod plain;
mod quants;
mod registers;

pub use blocks::Blocks;
pub use detect::Neon;
pub use plain::Plain;
