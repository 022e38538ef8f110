//! Inner loops that candle has no fast or row-exact form of: quantized products and attention.
//!
//! Everything here is *row-exact*: row `i` of an operation over `m` rows is bit-identical to the
//! operation on that row alone, so a language model that verifies several drafted tokens in one
//! pass says word for word what it would have said one token at a time. And every instruction set
//! gives the same bits: [`portable`] is the definition, the others must equal it.

mod activations;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block_tiles;
#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod format;
mod instructions;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
mod pool;
mod pool_account;
mod portable;
mod store;
mod super_tiles;
mod tile;

pub use activations::Activations;
pub use attention::{
    AttentionScratch, DIMS_PER_PASS, KeyValues, POSITIONS_PER_BLOCK, Sight, attend,
};
#[cfg(feature = "cuda")]
pub use cuda::open_cuda;
pub use elementwise::{add, exponentials, rms_norm, rotate_pairs, silu_mul};
pub use format::WeightFormat;
pub use instructions::Instructions;
pub use matrix::Matrix;
pub use pool::Pool;
pub use store::Store;
