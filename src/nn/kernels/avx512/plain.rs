//! Products with weights that are plain numbers.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls and loads")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m512, _mm256_loadu_si256, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32,
};

use half::{bf16, f16};

use super::{Avx512, blocks::store};
use crate::nn::kernels::{
    plain::{PLAIN_STRETCH, PlainWeight},
    tile::TILE,
};

/// How plain numbers come into registers.
pub trait Plain: PlainWeight {
    /// Sixteen of them.
    ///
    /// # Safety
    /// The processor must have AVX-512 F.
    unsafe fn load(weights: &[Self; TILE]) -> __m512;
}

impl Plain for f32 {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(weights: &[Self; TILE]) -> __m512 {
        // SAFETY: the array is 64 readable bytes, and the load asks for no alignment.
        unsafe { _mm512_loadu_ps(weights.as_ptr()) }
    }
}

impl Plain for f16 {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(weights: &[Self; TILE]) -> __m512 {
        // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) })
    }
}

impl Plain for bf16 {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(weights: &[Self; TILE]) -> __m512 {
        // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
        let halves = unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }
}

impl Avx512 {
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

#[target_feature(enable = "avx512f")]
fn plain<T: Plain, const ROWS: usize>(
    vectors: &[[T; TILE]],
    rows: [&[f32]; ROWS],
) -> [[f32; TILE]; ROWS] {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (stretch_idx, stretch) in vectors.chunks(PLAIN_STRETCH).enumerate() {
        let mut rows = rows;
        for row in &mut rows {
            *row = &row[stretch_idx * PLAIN_STRETCH..][..stretch.len()];
        }
        let mut partial = [_mm512_setzero_ps(); ROWS];
        for (input, vector) in stretch.iter().enumerate() {
            // SAFETY: this function's caller has made sure of the instructions.
            let weights = unsafe { T::load(vector) };
            for (partial, row) in partial.iter_mut().zip(rows) {
                *partial = _mm512_fmadd_ps(weights, _mm512_set1_ps(row[input]), *partial);
            }
        }
        for (sums, partial) in sums.iter_mut().zip(partial) {
            *sums = _mm512_add_ps(*sums, partial);
        }
    }
    let mut outputs = [[0.0; TILE]; ROWS];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store(sums);
    }
    outputs
}

#[target_feature(enable = "avx512f")]
fn plain_tiles<T: Plain, const TILES: usize>(
    tiles: [&[[T; TILE]]; TILES],
    row: &[f32],
) -> [[f32; TILE]; TILES] {
    let mut sums = [_mm512_setzero_ps(); TILES];
    for (stretch_idx, row) in row.chunks(PLAIN_STRETCH).enumerate() {
        let mut tiles = tiles;
        for tile in &mut tiles {
            *tile = &tile[stretch_idx * PLAIN_STRETCH..][..row.len()];
        }
        let mut partial = [_mm512_setzero_ps(); TILES];
        for (input, value) in row.iter().enumerate() {
            let value = _mm512_set1_ps(*value);
            for (partial, tile) in partial.iter_mut().zip(tiles) {
                // SAFETY: this function's caller has made sure of the instructions.
                let weights = unsafe { T::load(&tile[input]) };
                *partial = _mm512_fmadd_ps(weights, value, *partial);
            }
        }
        for (sums, partial) in sums.iter_mut().zip(partial) {
            *sums = _mm512_add_ps(*sums, partial);
        }
    }
    let mut outputs = [[0.0; TILE]; TILES];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store(sums);
    }
    outputs
}
