//! Which instruction set the kernels run on, asked of the processor at run time.
//!
//! A released binary is built for the oldest processor it supports; what the machine can do beyond
//! that is found out here, once, so that no kernel is left to the compiler's guess.

#[cfg(target_arch = "aarch64")]
use super::neon::{self, Neon};
#[cfg(target_arch = "x86_64")]
use super::{
    avx2::{self, Avx2},
    avx512::{self, Avx512},
};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::{plain::PlainWeight, tile::BlockTile};

/// An instruction set; all of them give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// Plain Rust: runs everywhere, and says what the others must compute.
    Portable,
    /// AVX2 with fused multiply-add and half-precision conversion: x86 since 2013.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 with byte products: servers since 2019, desktops since Zen 4.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// NEON, with byte products where the processor has them: all 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

impl Instructions {
    /// Every set that this processor has, the slowest first.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::detect().map(Self::Avx2));
            all.extend(Avx512::detect().map(Self::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(Neon::all().map(Self::Neon));
        all
    }

    /// The fastest set that this processor has.
    pub fn best() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    /// Its name in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512 VNNI",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(neon) => neon.label(),
        }
    }
}

impl Default for Instructions {
    fn default() -> Self {
        Self::best()
    }
}

/// Tiles of a block format that every instruction set of this kind of processor can multiply.
#[cfg(target_arch = "x86_64")]
pub trait VectorBlocks: avx2::Blocks + avx512::Blocks {}
#[cfg(target_arch = "x86_64")]
impl<T: avx2::Blocks + avx512::Blocks> VectorBlocks for T {}

/// Plain numbers that every instruction set of this kind of processor can multiply.
#[cfg(target_arch = "x86_64")]
pub trait VectorPlain: avx2::Plain + avx512::Plain {}
#[cfg(target_arch = "x86_64")]
impl<T: avx2::Plain + avx512::Plain> VectorPlain for T {}

/// Tiles of a block format that every instruction set of this kind of processor can multiply.
#[cfg(target_arch = "aarch64")]
pub trait VectorBlocks: neon::Blocks {}
#[cfg(target_arch = "aarch64")]
impl<T: neon::Blocks> VectorBlocks for T {}

/// Plain numbers that every instruction set of this kind of processor can multiply.
#[cfg(target_arch = "aarch64")]
pub trait VectorPlain: neon::Plain {}
#[cfg(target_arch = "aarch64")]
impl<T: neon::Plain> VectorPlain for T {}

/// Tiles of a block format that every instruction set of this kind of processor can multiply.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub trait VectorBlocks: BlockTile {}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl<T: BlockTile> VectorBlocks for T {}

/// Plain numbers that every instruction set of this kind of processor can multiply.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub trait VectorPlain: PlainWeight {}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl<T: PlainWeight> VectorPlain for T {}
