//! Products with weights in block formats.
#![expect(unsafe_code, reason = "vector instructions are entered by way of unsafe calls")]
#![expect(clippy::unused_self, reason = "`self` is the proof that the instructions are there")]

use std::arch::x86_64::{
    __m256, __m256i, _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_set1_ps,
    _mm256_setzero_ps,
};

use super::{
    Avx2,
    quants::unpacked_dots,
    registers::{load_pair, prefetch, store_pair},
};
use crate::nn::kernels::{
    activations::ActivationBlock,
    tile::{BlockTile, TILE, Unpacked},
};

/// How far ahead weights are asked for: about what memory delivers while a request is on its way.
const PREFETCH_BYTES: usize = 4096;

/// Sixteen outputs in two registers.
pub type Pair<T> = [T; 2];

/// How tiles of a block format come into registers.
pub trait Blocks: BlockTile {
    /// Steps of eight unpacked inputs whose products add up in sixteen bits; zero for formats that
    /// are not unpacked.
    const STEPS: usize = 0;

    /// The whole-number products of a block with those of each row.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [Pair<__m256i>; ROWS];

    /// What a step of the product is worth.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn scales(&self, block: usize) -> Pair<__m256>;

    /// What each unit of the activations adds.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn mins(&self, block: usize) -> Pair<__m256>;

    /// A block with each quant in a byte, for formats where that spares many rows a part of the
    /// work.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn unpack(&self, _block: usize) -> Option<Unpacked> {
        None
    }
}

impl Avx2 {
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

    /// The tiles' blocks with each quant in a byte; none for formats where that brings nothing.
    pub fn unpack<T: Blocks>(self, tiles: &[T]) -> Vec<Unpacked> {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { unpack(tiles) }
    }

    /// As [`Self::blocks`], of blocks that [`Self::unpack`] gave.
    pub fn unpacked<T: Blocks, const ROWS: usize>(
        self,
        blocks: &[Unpacked],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { unpacked::<T, ROWS>(blocks, rows) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn blocks<T: Blocks, const ROWS: usize>(
    tiles: &[T],
    mut rows: [&[ActivationBlock]; ROWS],
) -> [[f32; TILE]; ROWS] {
    for row in &mut rows {
        *row = &row[..tiles.len() * T::BLOCKS];
    }
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for (tile_idx, tile) in tiles.iter().enumerate() {
        prefetch(tile, PREFETCH_BYTES);
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
            add_dots::<T, ROWS>(&mut sums, row_blocks, dots, scales, mins);
        }
    }
    store_sums(sums)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn unpack<T: Blocks>(tiles: &[T]) -> Vec<Unpacked> {
    let mut blocks = Vec::new();
    for tile in tiles {
        for block_idx in 0..T::BLOCKS {
            // SAFETY: this function's caller has made sure of the instructions.
            let Some(block) = (unsafe { tile.unpack(block_idx) }) else { return blocks };
            if blocks.is_empty() {
                blocks.reserve_exact(tiles.len() * T::BLOCKS);
            }
            blocks.push(block);
        }
    }
    blocks
}

#[target_feature(enable = "avx2,fma,f16c")]
fn unpacked<T: Blocks, const ROWS: usize>(
    blocks: &[Unpacked],
    mut rows: [&[ActivationBlock]; ROWS],
) -> [[f32; TILE]; ROWS] {
    for row in &mut rows {
        *row = &row[..blocks.len()];
    }
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for (block_idx, block) in blocks.iter().enumerate() {
        let mut row_blocks = [&ActivationBlock::ZERO; ROWS];
        for (block, row) in row_blocks.iter_mut().zip(rows) {
            *block = &row[block_idx];
        }
        let dots = unpacked_dots::<T, ROWS>(block, row_blocks);
        let (scales, mins) = (load_pair(&block.scales), load_pair(&block.mins));
        add_dots::<T, ROWS>(&mut sums, row_blocks, dots, scales, mins);
    }
    store_sums(sums)
}

/// Adds a block's part to the outputs of each row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_dots<T: BlockTile, const ROWS: usize>(
    sums: &mut [Pair<__m256>; ROWS],
    row_blocks: [&ActivationBlock; ROWS],
    dots: [Pair<__m256i>; ROWS],
    scales: Pair<__m256>,
    mins: Pair<__m256>,
) {
    for ((sums, dots), block) in sums.iter_mut().zip(dots).zip(row_blocks) {
        let scale = _mm256_set1_ps(block.scale);
        for h in 0..2 {
            let dots = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[h]), scales[h]);
            sums[h] = _mm256_fmadd_ps(dots, scale, sums[h]);
        }
        if T::HAS_MIN {
            let sum = _mm256_set1_ps(block.sum);
            for h in 0..2 {
                sums[h] = _mm256_fmadd_ps(mins[h], sum, sums[h]);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_sums<const ROWS: usize>(sums: [Pair<__m256>; ROWS]) -> [[f32; TILE]; ROWS] {
    let mut outputs = [[0.0; TILE]; ROWS];
    for (outputs, sums) in outputs.iter_mut().zip(sums) {
        *outputs = store_pair(sums);
    }
    outputs
}
