//! Products with weights in block formats.
#![expect(
    unsafe_code,
    reason = "vector instructions are entered by way of unsafe calls and stores"
)]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::Avx512;
use crate::nn::kernels::{
    activations::ActivationBlock,
    tile::{BlockTile, TILE},
};

/// How far ahead weights are asked for: about what memory delivers while a request is on its way.
const PREFETCH_BYTES: usize = 4096;

/// How tiles of a block format come into registers.
pub trait Blocks: BlockTile {
    /// The whole-number products of a block with those of each row.
    ///
    /// # Safety
    /// The processor must have AVX-512 F, BW, VL and VNNI.
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS];

    /// What a step of the product is worth.
    ///
    /// # Safety
    /// The processor must have AVX-512 F, BW, VL and VNNI.
    unsafe fn scales(&self, block: usize) -> __m512;

    /// What each unit of the activations adds.
    ///
    /// # Safety
    /// The processor must have AVX-512 F, BW, VL and VNNI.
    unsafe fn mins(&self, block: usize) -> __m512;
}

impl Avx512 {
    /// See [`portable::blocks`](crate::nn::kernels::portable::blocks); several rows share the
    /// unpacking of a tile.
    pub fn blocks<T: Blocks, const ROWS: usize>(
        self,
        tiles: &[T],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { blocks(tiles, rows) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn blocks<T: Blocks, const ROWS: usize>(
    tiles: &[T],
    mut rows: [&[ActivationBlock]; ROWS],
) -> [[f32; TILE]; ROWS] {
    for row in &mut rows {
        *row = &row[..tiles.len() * T::BLOCKS];
    }
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (tile_idx, tile) in tiles.iter().enumerate() {
        let start: *const i8 = std::ptr::from_ref(tile).cast();
        for line in (0..size_of::<T>()).step_by(64) {
            // A prefetch reads nothing; the address need not be valid.
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(PREFETCH_BYTES + line));
        }
        for block_idx in 0..T::BLOCKS {
            // `map` would be a call, as its own code may not use the instructions.
            let mut row_blocks = [&ActivationBlock::ZERO; ROWS];
            for (block, row) in row_blocks.iter_mut().zip(rows) {
                *block = &row[tile_idx * T::BLOCKS + block_idx];
            }
            // SAFETY: this function's caller has made sure of the instructions.
            let dots = unsafe { tile.dots(block_idx, row_blocks) };
            // SAFETY: as above.
            let (scales, mins) = unsafe { (tile.scales(block_idx), tile.mins(block_idx)) };
            for ((sum, dots), block) in sums.iter_mut().zip(dots).zip(row_blocks) {
                let dots = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), scales);
                *sum = _mm512_fmadd_ps(dots, _mm512_set1_ps(block.scale), *sum);
                if T::HAS_MIN {
                    *sum = _mm512_fmadd_ps(mins, _mm512_set1_ps(block.sum), *sum);
                }
            }
        }
    }
    let mut outputs = [[0.0; TILE]; ROWS];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store(sums);
    }
    outputs
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn store(vector: __m512) -> [f32; TILE] {
    let mut values = [0.0; TILE];
    // SAFETY: the array is 64 writable bytes, and the store asks for no alignment.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), vector) };
    values
}
