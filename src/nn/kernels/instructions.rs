//! Which instruction set the kernels run on, asked of the processor at run time.
//!
//! A released binary is built for the oldest processor it supports; what the machine can do beyond
//! that is found out here, once, so that no kernel is left to the compiler's guess.

/// An instruction set; all of them give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// Plain Rust: runs everywhere, and says what the others must compute.
    Portable,
    /// AVX2 with half-precision conversion: x86 since 2013.
    #[cfg(target_arch = "x86_64")]
    Avx2(super::avx2::Avx2),
}

impl Instructions {
    /// Every set that this processor has, the slowest first.
    pub fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = super::avx2::Avx2::detect().map(Self::Avx2);
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = None;
        std::iter::once(Self::Portable).chain(vectors).collect()
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
pub trait VectorBlocks: super::avx2::Blocks {}
#[cfg(target_arch = "x86_64")]
impl<T: super::avx2::Blocks> VectorBlocks for T {}

/// Plain numbers that every instruction set of this kind of processor can multiply.
#[cfg(target_arch = "x86_64")]
pub trait VectorPlain: super::avx2::Plain {}
#[cfg(target_arch = "x86_64")]
impl<T: super::avx2::Plain> VectorPlain for T {}

/// Tiles of a block format that every instruction set of this kind of processor can multiply.
#[cfg(not(target_arch = "x86_64"))]
pub trait VectorBlocks: super::tile::BlockTile {}
#[cfg(not(target_arch = "x86_64"))]
impl<T: super::tile::BlockTile> VectorBlocks for T {}

/// Plain numbers that every instruction set of this kind of processor can multiply.
#[cfg(not(target_arch = "x86_64"))]
pub trait VectorPlain: super::plain::PlainWeight {}
#[cfg(not(target_arch = "x86_64"))]
impl<T: super::plain::PlainWeight> VectorPlain for T {}
