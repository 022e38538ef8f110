//! Weights that are plain numbers, of four bytes or two.

use std::fmt::Debug;

use half::{bf16, f16};

/// Inputs whose products are summed apart before they are added to the output.
pub const PLAIN_STRETCH: usize = 64;

/// A number as files store it.
pub trait PlainWeight: Copy + Default + Debug + Send + Sync + 'static {
    /// Bytes in a file.
    const BYTES: usize;

    /// From the bytes of a file, little-endian.
    fn read(stored: &[u8]) -> Self;

    /// What it stands for; no bit is lost.
    fn value(self) -> f32;
}

impl PlainWeight for f32 {
    const BYTES: usize = 4;

    fn read(stored: &[u8]) -> Self {
        Self::from_le_bytes([stored[0], stored[1], stored[2], stored[3]])
    }

    fn value(self) -> f32 {
        self
    }
}

impl PlainWeight for f16 {
    const BYTES: usize = 2;

    fn read(stored: &[u8]) -> Self {
        Self::from_le_bytes([stored[0], stored[1]])
    }

    fn value(self) -> f32 {
        self.to_f32()
    }
}

impl PlainWeight for bf16 {
    const BYTES: usize = 2;

    fn read(stored: &[u8]) -> Self {
        Self::from_le_bytes([stored[0], stored[1]])
    }

    fn value(self) -> f32 {
        self.to_f32()
    }
}
