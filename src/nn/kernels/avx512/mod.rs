//! Products on AVX-512 registers of sixteen lanes with byte products (VNNI), bit for bit what
//! `portable` computes; everything else such a processor does with AVX2.

mod blocks;
mod detect;
mod plain;
mod quants;

pub use blocks::Blocks;
pub use detect::Avx512;
pub use plain::Plain;
