//! The ways in which files store weights that are multiplied as they are.

use half::{bf16, f16};

use super::{
    activations::BLOCK,
    block_tiles::{Q4_0Tile, Q4_1Tile, Q5_0Tile, Q5_1Tile, Q8_0Tile},
    plain::PlainWeight,
    super_tiles::{Q4KTile, Q5KTile, Q6KTile},
    tile::BlockTile,
};

/// How a file stores weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// Plain numbers.
    F32,
    /// Plain numbers of half precision.
    F16,
    /// Plain numbers with the range of single precision in half the bytes.
    Bf16,
    /// Four bits and a scale for each 32.
    Q4_0,
    /// Four bits, a scale and a minimum for each 32.
    Q4_1,
    /// Five bits and a scale for each 32.
    Q5_0,
    /// Five bits, a scale and a minimum for each 32.
    Q5_1,
    /// Eight bits and a scale for each 32.
    Q8_0,
    /// Four bits, a scale and a minimum of six bits for each 32, and what these are worth for each
    /// 256.
    Q4K,
    /// Five bits, otherwise as `Q4K`.
    Q5K,
    /// Six bits, a scale of eight bits for each 16, and what these are worth for each 256.
    Q6K,
}

impl WeightFormat {
    /// Bytes of a row of `n_in` weights; `None` if the format cannot store such a row.
    pub fn row_bytes(self, n_in: usize) -> Option<usize> {
        let (n_weights, n_bytes) = match self {
            Self::F32 => (1, f32::BYTES),
            Self::F16 => (1, f16::BYTES),
            Self::Bf16 => (1, bf16::BYTES),
            Self::Q4_0 => record::<Q4_0Tile>(),
            Self::Q4_1 => record::<Q4_1Tile>(),
            Self::Q5_0 => record::<Q5_0Tile>(),
            Self::Q5_1 => record::<Q5_1Tile>(),
            Self::Q8_0 => record::<Q8_0Tile>(),
            Self::Q4K => record::<Q4KTile>(),
            Self::Q5K => record::<Q5KTile>(),
            Self::Q6K => record::<Q6KTile>(),
        };
        if !n_in.is_multiple_of(n_weights) {
            return None;
        }
        (n_in / n_weights).checked_mul(n_bytes)
    }
}

/// Weights that share a record of the file, and the record's bytes.
fn record<T: BlockTile>() -> (usize, usize) {
    (T::BLOCKS * BLOCK, T::STORED_BYTES)
}
