//! The proof that a processor has the instructions.

use crate::nn::kernels::avx2::Avx2;

/// Proof that this processor has AVX-512 F, BW, VL and VNNI, and what AVX2 stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx512 {
    /// For what gains nothing from wider registers.
    pub avx2: Avx2,
}

impl Avx512 {
    /// `None` on a processor without the instructions.
    pub fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        Avx2::detect().filter(|_| has_all).map(|avx2| Self { avx2 })
    }
}
