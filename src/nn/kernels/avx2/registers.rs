//! Loads and stores of whole registers.
#![expect(unsafe_code, reason = "vector loads and stores take pointers")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_cvtph_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_storeu_ps, _mm256_storeu_si256,
};

use half::f16;

use crate::nn::kernels::tile::{Quads, TILE};

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn load_f32(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn load_f16(values: &[f16; 8]) -> __m256 {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn load_bytes(values: &[u8; 32]) -> __m256i {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn store_f32(vector: __m256) -> [f32; 8] {
    let mut values = [0.0; 8];
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) };
    values
}

/// Sixteen outputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn store_pair(vectors: [__m256; 2]) -> [f32; TILE] {
    let mut values = [0.0; TILE];
    for (values, vector) in values.as_chunks_mut().0.iter_mut().zip(vectors) {
        *values = store_f32(vector);
    }
    values
}

/// A factor of sixteen outputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn load_pair(values: &[f32; TILE]) -> [__m256; 2] {
    let halves = values.as_chunks().0;
    [load_f32(&halves[0]), load_f32(&halves[1])]
}

/// Four inputs of sixteen outputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn store_bytes(vectors: [__m256i; 2]) -> Quads {
    let mut bytes = [0; 4 * TILE];
    for (bytes, vector) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
        // SAFETY: the chunk is 32 writable bytes, and the store asks for no alignment.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) };
    }
    bytes
}

/// Asks for memory that a loop over `item`'s neighbours will reach `n_bytes` later.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn prefetch<T>(item: &T, n_bytes: usize) {
    let start: *const i8 = std::ptr::from_ref(item).cast();
    for line in (0..size_of::<T>()).step_by(64) {
        // A prefetch reads nothing; the address need not be valid.
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(n_bytes + line));
    }
}
