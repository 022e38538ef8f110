//! Products with weights that are plain numbers.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls and loads")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m256, _mm_loadu_si128, _mm256_add_ps, _mm256_castsi256_ps, _mm256_cvtepu16_epi32,
    _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
};

use half::{bf16, f16};

use super::{
    Avx2,
    registers::{load_f16, load_f32, store_pair},
};
use crate::nn::kernels::{
    plain::{PLAIN_STRETCH, PlainWeight},
    tile::TILE,
};

/// How plain numbers come into registers.
pub trait Plain: PlainWeight {
    /// Eight of them.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn load(weights: &[Self; 8]) -> __m256;
}

impl Plain for f32 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(weights: &[Self; 8]) -> __m256 {
        load_f32(weights)
    }
}

impl Plain for f16 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(weights: &[Self; 8]) -> __m256 {
        load_f16(weights)
    }
}

impl Plain for bf16 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(weights: &[Self; 8]) -> __m256 {
        // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
        let halves = unsafe { _mm_loadu_si128(weights.as_ptr().cast()) };
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
    }
}

impl Avx2 {
    /// See [`portable::plain`](crate::nn::kernels::portable::plain).
    pub fn plain<T: Plain, const ROWS: usize>(
        self,
        vectors: &[[T; TILE]],
        rows: [&[f32]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { plain(vectors, rows) }
    }

    /// The same of one row with several tiles, whose sums do not wait for each other.
    pub fn plain_tiles<T: Plain, const TILES: usize>(
        self,
        tiles: [&[[T; TILE]]; TILES],
        row: &[f32],
    ) -> [[f32; TILE]; TILES] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { plain_tiles(tiles, row) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn plain<T: Plain, const ROWS: usize>(
    vectors: &[[T; TILE]],
    rows: [&[f32]; ROWS],
) -> [[f32; TILE]; ROWS] {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for (stretch_idx, stretch) in vectors.chunks(PLAIN_STRETCH).enumerate() {
        let mut rows = rows;
        for row in &mut rows {
            *row = &row[stretch_idx * PLAIN_STRETCH..][..stretch.len()];
        }
        let mut partial = [[_mm256_setzero_ps(); 2]; ROWS];
        for (input, vector) in stretch.iter().enumerate() {
            let halves = vector.as_chunks().0;
            // SAFETY: this function's caller has made sure of the instructions.
            let weights = unsafe { [T::load(&halves[0]), T::load(&halves[1])] };
            for (partial, row) in partial.iter_mut().zip(rows) {
                let value = _mm256_set1_ps(row[input]);
                for h in 0..2 {
                    partial[h] = _mm256_fmadd_ps(weights[h], value, partial[h]);
                }
            }
        }
        for (sums, partial) in sums.iter_mut().zip(partial) {
            for h in 0..2 {
                sums[h] = _mm256_add_ps(sums[h], partial[h]);
            }
        }
    }
    let mut outputs = [[0.0; TILE]; ROWS];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store_pair(sums);
    }
    outputs
}

#[target_feature(enable = "avx2,fma,f16c")]
fn plain_tiles<T: Plain, const TILES: usize>(
    tiles: [&[[T; TILE]]; TILES],
    row: &[f32],
) -> [[f32; TILE]; TILES] {
    let mut sums = [[_mm256_setzero_ps(); 2]; TILES];
    for (stretch_idx, row) in row.chunks(PLAIN_STRETCH).enumerate() {
        let mut tiles = tiles;
        for tile in &mut tiles {
            *tile = &tile[stretch_idx * PLAIN_STRETCH..][..row.len()];
        }
        let mut partial = [[_mm256_setzero_ps(); 2]; TILES];
        for (input, value) in row.iter().enumerate() {
            let value = _mm256_set1_ps(*value);
            for (partial, tile) in partial.iter_mut().zip(tiles) {
                let halves = tile[input].as_chunks().0;
                for h in 0..2 {
                    // SAFETY: this function's caller has made sure of the instructions.
                    let weights = unsafe { T::load(&halves[h]) };
                    partial[h] = _mm256_fmadd_ps(weights, value, partial[h]);
                }
            }
        }
        for (sums, partial) in sums.iter_mut().zip(partial) {
            for h in 0..2 {
                sums[h] = _mm256_add_ps(sums[h], partial[h]);
            }
        }
    }
    let mut outputs = [[0.0; TILE]; TILES];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store_pair(sums);
    }
    outputs
}
