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
    /// The fastest set that this processor has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = super::avx2::Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
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
