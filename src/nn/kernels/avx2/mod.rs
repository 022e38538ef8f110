//! The kernels on AVX2 registers of eight lanes, bit for bit what `portable` computes.
//!
//! Lanes hold outputs (or positions, or dimensions), so every lane adds up in the order of the
//! plain loop. [`Avx2`] can only be had on a processor with the instructions; its methods are safe.

mod attention;
mod blocks;
mod detect;
mod elementwise;
mod plain;
mod quants;
mod registers;

pub use blocks::Blocks;
pub use detect::Avx2;
pub use plain::Plain;
