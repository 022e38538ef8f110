//! Each block format's quants and scales in registers.
#![expect(unsafe_code, reason = "the trait's methods ask for the instructions, loads for pointers")]

use std::arch::x86_64::{
    __m512, __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm512_add_epi32, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi32, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_mullo_epi32, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi16, _mm512_slli_epi32,
    _mm512_srai_epi32, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_xor_si512,
};

use half::f16;

use super::Blocks;
use crate::nn::kernels::{
    activations::ActivationBlock,
    block_tiles::{Q4_0Tile, Q4_1Tile, Q5_0Tile, Q5_1Tile, Q8_0Tile},
    super_tiles::{Q4KTile, Q5KTile, Q6KTile, SubFactors},
    tile::{Nibbles, Quads, TILE},
};

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn load_quads(quads: &Quads) -> __m512i {
    // SAFETY: the array is 64 readable bytes, and the load asks for no alignment.
    unsafe { _mm512_loadu_si512(quads.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn load_factors(factors: &[f16; TILE]) -> __m512 {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(factors.as_ptr().cast()) })
}

/// Quants of four bits of inputs `4v..4v + 4`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn load_nibbles(nibbles: &Nibbles, v: usize) -> __m512i {
    let quads = load_quads(&nibbles[v / 2]);
    let quads = if v.is_multiple_of(2) { quads } else { _mm512_srli_epi16::<4>(quads) };
    _mm512_and_si512(quads, _mm512_set1_epi8(15))
}

/// Quants of five bits of inputs `4v..4v + 4`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn load_fives(nibbles: &Nibbles, bits: &Quads, v: usize) -> __m512i {
    let bits = load_quads(bits);
    let moved = match v {
        0 => _mm512_slli_epi16::<4>(bits),
        1 => _mm512_slli_epi16::<3>(bits),
        2 => _mm512_slli_epi16::<2>(bits),
        3 => _mm512_slli_epi16::<1>(bits),
        4 => bits,
        5 => _mm512_srli_epi16::<1>(bits),
        6 => _mm512_srli_epi16::<2>(bits),
        _ => _mm512_srli_epi16::<3>(bits),
    };
    let fifth = _mm512_and_si512(moved, _mm512_set1_epi8(16));
    _mm512_or_si512(load_nibbles(nibbles, v), fifth)
}

/// Quants of six bits of inputs `4v..4v + 4`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn load_sixes(nibbles: &Nibbles, bits: &[Quads; 2], v: usize) -> __m512i {
    let bits = load_quads(&bits[v / 4]);
    let moved = match v % 4 {
        0 => _mm512_slli_epi16::<4>(bits),
        1 => _mm512_slli_epi16::<2>(bits),
        2 => bits,
        _ => _mm512_srli_epi16::<2>(bits),
    };
    let high = _mm512_and_si512(moved, _mm512_set1_epi8(0x30));
    _mm512_or_si512(load_nibbles(nibbles, v), high)
}

/// Products of unsigned quants, added to what each row begins with.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn add_dots<const ROWS: usize>(
    mut dots: [__m512i; ROWS],
    rows: [&ActivationBlock; ROWS],
    vectors: std::ops::Range<usize>,
    quants: impl Fn(usize) -> __m512i,
) -> [__m512i; ROWS] {
    for v in vectors {
        let quants = quants(v);
        for (dots, row) in dots.iter_mut().zip(rows) {
            *dots = _mm512_dpbusd_epi32(*dots, quants, _mm512_set1_epi32(row.quads[v]));
        }
    }
    dots
}

/// Sixteen bytes as whole numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn widen(bytes: &[u8; TILE]) -> __m512i {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// The four bits that the scale and minimum of a block have above their low ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sub_high(sub: &SubFactors, block: usize) -> __m512i {
    let high = widen(&sub.high[block / 2]);
    if block.is_multiple_of(2) { high } else { _mm512_srli_epi32::<4>(high) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sub_scales(scales: &[f16; TILE], sub: &SubFactors, block: usize) -> __m512 {
    let low = _mm512_and_si512(widen(&sub.low[block]), _mm512_set1_epi32(15));
    let high = _mm512_and_si512(sub_high(sub, block), _mm512_set1_epi32(3));
    let sub_scales = _mm512_or_si512(low, _mm512_slli_epi32::<4>(high));
    _mm512_mul_ps(load_factors(scales), _mm512_cvtepi32_ps(sub_scales))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn sub_mins(mins: &[f16; TILE], sub: &SubFactors, block: usize) -> __m512 {
    let low = _mm512_srli_epi32::<4>(widen(&sub.low[block]));
    let high = _mm512_and_si512(sub_high(sub, block), _mm512_set1_epi32(12));
    let sub_mins = _mm512_or_si512(low, _mm512_slli_epi32::<2>(high));
    let mins = _mm512_mul_ps(load_factors(mins), _mm512_cvtepi32_ps(sub_mins));
    let sign = _mm512_castps_si512(_mm512_set1_ps(-0.0));
    _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(mins), sign))
}

impl Blocks for Q4_0Tile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_nibbles(&self.nibbles, v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        _mm512_mul_ps(load_factors(&self.scales), _mm512_set1_ps(-8.0))
    }
}

impl Blocks for Q4_1Tile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_nibbles(&self.nibbles, v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        load_factors(&self.mins)
    }
}

impl Blocks for Q5_0Tile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_fives(&self.nibbles, &self.fifth_bits, v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        _mm512_mul_ps(load_factors(&self.scales), _mm512_set1_ps(-16.0))
    }
}

impl Blocks for Q5_1Tile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_fives(&self.nibbles, &self.fifth_bits, v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        load_factors(&self.mins)
    }
}

impl Blocks for Q8_0Tile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        // The product wants the weights unsigned, so 128 is added to them, and taken off in advance.
        let mut offsets = [_mm512_setzero_si512(); ROWS];
        for (offset, row) in offsets.iter_mut().zip(rows) {
            let [first, last] = row.sums_of_halves();
            *offset = _mm512_set1_epi32(-128 * (first + last));
        }
        add_dots(offsets, rows, 0..8, |v| {
            _mm512_xor_si512(load_quads(&self.quants[v]), _mm512_set1_epi8(-128))
        })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        _mm512_setzero_ps()
    }
}

impl Blocks for Q4KTile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_nibbles(&self.nibbles[block], v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, block: usize) -> __m512 {
        sub_scales(&self.scales, &self.sub, block)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, block: usize) -> __m512 {
        sub_mins(&self.mins, &self.sub, block)
    }
}

impl Blocks for Q5KTile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let block = &self.blocks[block];
        let none = [_mm512_setzero_si512(); ROWS];
        add_dots(none, rows, 0..8, |v| load_fives(&block.nibbles, &block.fifth_bits, v))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, block: usize) -> __m512 {
        sub_scales(&self.scales, &self.sub, block)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, block: usize) -> __m512 {
        sub_mins(&self.mins, &self.sub, block)
    }
}

impl Blocks for Q6KTile {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [__m512i; ROWS] {
        let block = &self.blocks[block];
        // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
        let sub_scales = unsafe { _mm256_loadu_si256(block.sub_scales.as_ptr().cast()) };
        let sub_scales = _mm512_cvtepi8_epi16(sub_scales);
        let first = _mm512_srai_epi32::<16>(_mm512_slli_epi32::<16>(sub_scales));
        let last = _mm512_srai_epi32::<16>(sub_scales);
        let mut dots = [_mm512_setzero_si512(); ROWS];
        for (half, sub_scales) in [first, last].into_iter().enumerate() {
            // The offset of 32 is taken off in advance.
            let mut offsets = [_mm512_setzero_si512(); ROWS];
            for (offset, row) in offsets.iter_mut().zip(rows) {
                *offset = _mm512_set1_epi32(-32 * row.sums_of_halves()[half]);
            }
            let found = add_dots(offsets, rows, 4 * half..4 * half + 4, |v| {
                load_sixes(&block.nibbles, &block.high_bits, v)
            });
            for (dots, found) in dots.iter_mut().zip(found) {
                *dots = _mm512_add_epi32(*dots, _mm512_mullo_epi32(found, sub_scales));
            }
        }
        dots
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn scales(&self, _block: usize) -> __m512 {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn mins(&self, _block: usize) -> __m512 {
        _mm512_setzero_ps()
    }
}
