//! Each block format's quants and scales in registers.
//!
//! `maddubs` multiplies unsigned with signed bytes and adds neighbours into sixteen bits, so quants
//! stay unsigned as they are stored, and as many products are added up before they are widened as
//! cannot overflow: 16 of 15 · 127 are below 2^15, so are 8 of 31 · 127 and 4 of 63 · 127.
#![expect(unsafe_code, reason = "the trait's methods ask for the instructions")]

use std::arch::x86_64::{
    __m256, __m256i, _mm_cvtsi32_si128, _mm_loadl_epi64, _mm_loadu_si128, _mm256_abs_epi8,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi8,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sign_epi8,
    _mm256_slli_epi16, _mm256_slli_epi32, _mm256_srl_epi16, _mm256_srl_epi32, _mm256_srli_epi16,
    _mm256_srli_epi32, _mm256_sub_epi32, _mm256_xor_ps,
};

use half::f16;

use super::{
    blocks::{Blocks, Pair},
    registers::{load_bytes, load_f16, store_bytes, store_pair},
};
use crate::nn::kernels::{
    activations::ActivationBlock,
    block_tiles::{Q4_0Tile, Q4_1Tile, Q5_0Tile, Q5_1Tile, Q8_0Tile},
    super_tiles::{Q4KTile, Q5KTile, Q6KTile, SubFactors},
    tile::{BlockTile, Nibbles, Quads, TILE, Unpacked},
};

/// The registers of four inputs of sixteen outputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_quads(quads: &Quads) -> Pair<__m256i> {
    let halves = quads.as_chunks().0;
    [load_bytes(&halves[0]), load_bytes(&halves[1])]
}

/// The registers of one factor of sixteen outputs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_factors(factors: &[f16; TILE]) -> Pair<__m256> {
    let halves = factors.as_chunks().0;
    [load_f16(&halves[0]), load_f16(&halves[1])]
}

/// Quants of four bits of inputs `8p..8p + 4`, and of the four behind them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_nibbles(nibbles: &Nibbles, p: usize) -> [Pair<__m256i>; 2] {
    let mask = _mm256_set1_epi8(15);
    let [a, b] = load_quads(&nibbles[p]);
    [
        [_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)],
        [
            _mm256_and_si256(_mm256_srli_epi16::<4>(a), mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(b), mask),
        ],
    ]
}

/// Quants of five bits; `bits` holds those of inputs `4k..4k + 4` in bit `k` of each byte.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_fives(nibbles: &Nibbles, bits: &Quads, p: usize) -> [Pair<__m256i>; 2] {
    let mask = _mm256_set1_epi8(16);
    let by = _mm_cvtsi32_si128(2 * p as i32);
    let [mut even, mut odd] = load_nibbles(nibbles, p);
    let bits = load_quads(bits);
    for h in 0..2 {
        // Bits that come over from the next byte are masked away.
        let bits = _mm256_srl_epi16(bits[h], by);
        even[h] = _mm256_or_si256(even[h], _mm256_and_si256(_mm256_slli_epi16::<4>(bits), mask));
        odd[h] = _mm256_or_si256(odd[h], _mm256_and_si256(_mm256_slli_epi16::<3>(bits), mask));
    }
    [even, odd]
}

/// Quants of six bits; a vector of `bits` holds those of inputs `4k..4k + 4` in bits `2k` and
/// `2k + 1` of each byte.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_sixes(nibbles: &Nibbles, bits: &[Quads; 2], p: usize) -> [Pair<__m256i>; 2] {
    let mask = _mm256_set1_epi8(0x30);
    let by = _mm_cvtsi32_si128(4 * (p % 2) as i32);
    let [mut even, mut odd] = load_nibbles(nibbles, p);
    let bits = load_quads(&bits[p / 2]);
    for h in 0..2 {
        let bits = _mm256_srl_epi16(bits[h], by);
        even[h] = _mm256_or_si256(even[h], _mm256_and_si256(_mm256_slli_epi16::<4>(bits), mask));
        odd[h] = _mm256_or_si256(odd[h], _mm256_and_si256(_mm256_slli_epi16::<2>(bits), mask));
    }
    [even, odd]
}

/// Adds the products of eight inputs to the sums of sixteen bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_pairs<const ROWS: usize>(
    pairs: &mut [Pair<__m256i>; ROWS],
    rows: [&ActivationBlock; ROWS],
    quants: [Pair<__m256i>; 2],
    p: usize,
) {
    let [even, odd] = quants;
    for (pairs, row) in pairs.iter_mut().zip(rows) {
        let first = _mm256_set1_epi32(row.quads[2 * p]);
        let second = _mm256_set1_epi32(row.quads[2 * p + 1]);
        for h in 0..2 {
            let products = _mm256_add_epi16(
                _mm256_maddubs_epi16(even[h], first),
                _mm256_maddubs_epi16(odd[h], second),
            );
            pairs[h] = _mm256_add_epi16(pairs[h], products);
        }
    }
}

/// A count that the compiler does not see: it would unroll the loop, unpack a whole block before
/// the first row meets it, and keep it on the stack, as there are not so many registers.
#[inline]
fn steps(n: usize) -> usize {
    std::hint::black_box(n)
}

/// Formats whose quants are unsigned and so small that products add up in sixteen bits.
pub trait Quants: BlockTile {
    /// Steps of eight inputs whose products do so without overflow.
    const STEPS: usize;

    /// The quants of inputs `8p..8p + 4` of a block, and of the four behind them.
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn quants(&self, block: usize, p: usize) -> [Pair<__m256i>; 2];

    /// See [`Blocks::scales`].
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn scales(&self, block: usize) -> Pair<__m256>;

    /// See [`Blocks::mins`].
    ///
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    unsafe fn mins(&self, block: usize) -> Pair<__m256>;
}

/// The products of a block of small quants, which come as [`Quants::quants`] gives them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn small_dots<const ROWS: usize>(
    rows: [&ActivationBlock; ROWS],
    n_steps: usize,
    quants: impl Fn(usize) -> [Pair<__m256i>; 2],
) -> [Pair<__m256i>; ROWS] {
    let ones = _mm256_set1_epi16(1);
    let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
    for first in (0..4).step_by(n_steps) {
        let mut pairs = [[_mm256_setzero_si256(); 2]; ROWS];
        for p in first..first + steps(n_steps) {
            add_pairs(&mut pairs, rows, quants(p), p);
        }
        for (dots, pairs) in dots.iter_mut().zip(pairs) {
            for h in 0..2 {
                dots[h] = _mm256_add_epi32(dots[h], _mm256_madd_epi16(pairs[h], ones));
            }
        }
    }
    dots
}

impl<T: Quants> Blocks for T {
    const STEPS: usize = <T as Quants>::STEPS;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [Pair<__m256i>; ROWS] {
        // SAFETY: the caller has made sure of the instructions.
        small_dots::<ROWS>(rows, <T as Quants>::STEPS, |p| unsafe { self.quants(block, p) })
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, block: usize) -> Pair<__m256> {
        // SAFETY: the caller has made sure of the instructions.
        unsafe { Quants::scales(self, block) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, block: usize) -> Pair<__m256> {
        // SAFETY: the caller has made sure of the instructions.
        unsafe { Quants::mins(self, block) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn unpack(&self, block: usize) -> Option<Unpacked> {
        let mut unpacked = Unpacked::EMPTY;
        for p in 0..4 {
            // SAFETY: the caller has made sure of the instructions.
            let [even, odd] = unsafe { self.quants(block, p) };
            unpacked.quads[2 * p] = store_bytes(even);
            unpacked.quads[2 * p + 1] = store_bytes(odd);
        }
        // SAFETY: as above.
        let (scales, mins) = unsafe { (Quants::scales(self, block), Quants::mins(self, block)) };
        unpacked.scales = store_pair(scales);
        unpacked.mins = store_pair(mins);
        Some(unpacked)
    }
}

/// The products of a block that was unpacked before.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn unpacked_dots<T: Blocks, const ROWS: usize>(
    unpacked: &Unpacked,
    rows: [&ActivationBlock; ROWS],
) -> [Pair<__m256i>; ROWS] {
    small_dots::<ROWS>(rows, T::STEPS, |p| {
        [load_quads(&unpacked.quads[2 * p]), load_quads(&unpacked.quads[2 * p + 1])]
    })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn times(factors: Pair<__m256>, by: f32) -> Pair<__m256> {
    let by = _mm256_set1_ps(by);
    [_mm256_mul_ps(factors[0], by), _mm256_mul_ps(factors[1], by)]
}

impl Quants for Q4_0Tile {
    const STEPS: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, _block: usize, p: usize) -> [Pair<__m256i>; 2] {
        load_nibbles(&self.nibbles, p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        times(load_factors(&self.scales), -8.0)
    }
}

impl Quants for Q4_1Tile {
    const STEPS: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, _block: usize, p: usize) -> [Pair<__m256i>; 2] {
        load_nibbles(&self.nibbles, p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.mins)
    }
}

impl Quants for Q5_0Tile {
    const STEPS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, _block: usize, p: usize) -> [Pair<__m256i>; 2] {
        load_fives(&self.nibbles, &self.fifth_bits, p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        times(load_factors(&self.scales), -16.0)
    }
}

impl Quants for Q5_1Tile {
    const STEPS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, _block: usize, p: usize) -> [Pair<__m256i>; 2] {
        load_fives(&self.nibbles, &self.fifth_bits, p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.mins)
    }
}

impl Blocks for Q8_0Tile {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        _block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [Pair<__m256i>; ROWS] {
        let ones = _mm256_set1_epi16(1);
        let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
        for v in 0..steps(8) {
            // The product wants one side unsigned, so the weight's sign moves to the activation.
            let weights = load_quads(&self.quants[v]);
            let magnitudes = [_mm256_abs_epi8(weights[0]), _mm256_abs_epi8(weights[1])];
            for (dots, row) in dots.iter_mut().zip(rows) {
                let quad = _mm256_set1_epi32(row.quads[v]);
                for h in 0..2 {
                    let signed = _mm256_sign_epi8(quad, weights[h]);
                    let pairs = _mm256_maddubs_epi16(magnitudes[h], signed);
                    dots[h] = _mm256_add_epi32(dots[h], _mm256_madd_epi16(pairs, ones));
                }
            }
        }
        dots
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        [_mm256_setzero_ps(); 2]
    }
}

/// Sixteen bytes as whole numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn widen(bytes: &[u8; TILE]) -> Pair<__m256i> {
    let halves = bytes.as_chunks::<8>().0;
    // SAFETY: each half is 8 readable bytes, and the load asks for no alignment.
    let load = |half: &[u8; 8]| unsafe { _mm_loadl_epi64(half.as_ptr().cast()) };
    [_mm256_cvtepu8_epi32(load(&halves[0])), _mm256_cvtepu8_epi32(load(&halves[1]))]
}

/// The four bits that the scale and minimum of a block have above their low ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sub_high(sub: &SubFactors, block: usize) -> Pair<__m256i> {
    let [a, b] = widen(&sub.high[block / 2]);
    let by = _mm_cvtsi32_si128(4 * (block % 2) as i32);
    [_mm256_srl_epi32(a, by), _mm256_srl_epi32(b, by)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sub_scales(scales: &[f16; TILE], sub: &SubFactors, block: usize) -> Pair<__m256> {
    let (low, high) = (widen(&sub.low[block]), sub_high(sub, block));
    let scales = load_factors(scales);
    let mut found = scales;
    for h in 0..2 {
        let low = _mm256_and_si256(low[h], _mm256_set1_epi32(15));
        let high = _mm256_slli_epi32::<4>(_mm256_and_si256(high[h], _mm256_set1_epi32(3)));
        let sub_scales = _mm256_cvtepi32_ps(_mm256_or_si256(low, high));
        found[h] = _mm256_mul_ps(scales[h], sub_scales);
    }
    found
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sub_mins(mins: &[f16; TILE], sub: &SubFactors, block: usize) -> Pair<__m256> {
    let (low, high) = (widen(&sub.low[block]), sub_high(sub, block));
    let mins = load_factors(mins);
    let mut found = mins;
    for h in 0..2 {
        let low = _mm256_srli_epi32::<4>(low[h]);
        let high = _mm256_slli_epi32::<2>(_mm256_and_si256(high[h], _mm256_set1_epi32(12)));
        let sub_mins = _mm256_cvtepi32_ps(_mm256_or_si256(low, high));
        found[h] = _mm256_xor_ps(_mm256_mul_ps(mins[h], sub_mins), _mm256_set1_ps(-0.0));
    }
    found
}

impl Quants for Q4KTile {
    const STEPS: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, block: usize, p: usize) -> [Pair<__m256i>; 2] {
        load_nibbles(&self.nibbles[block], p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, block: usize) -> Pair<__m256> {
        sub_scales(&self.scales, &self.sub, block)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, block: usize) -> Pair<__m256> {
        sub_mins(&self.mins, &self.sub, block)
    }
}

impl Quants for Q5KTile {
    const STEPS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn quants(&self, block: usize, p: usize) -> [Pair<__m256i>; 2] {
        let block = &self.blocks[block];
        load_fives(&block.nibbles, &block.fifth_bits, p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, block: usize) -> Pair<__m256> {
        sub_scales(&self.scales, &self.sub, block)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, block: usize) -> Pair<__m256> {
        sub_mins(&self.mins, &self.sub, block)
    }
}

impl Blocks for Q6KTile {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn dots<const ROWS: usize>(
        &self,
        block: usize,
        rows: [&ActivationBlock; ROWS],
    ) -> [Pair<__m256i>; ROWS] {
        let block = &self.blocks[block];
        let sub_scales = load_sub_scales(&block.sub_scales);
        // The offset of 32 is taken off all quants at once.
        let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
        for (dots, row) in dots.iter_mut().zip(rows) {
            let half_sums = _mm256_set1_epi32(row.half_sums);
            for h in 0..2 {
                let offset = _mm256_slli_epi32::<5>(_mm256_madd_epi16(sub_scales[h], half_sums));
                dots[h] = _mm256_sub_epi32(dots[h], offset);
            }
        }
        for p in 0..steps(4) {
            let twice = twice(2 * (p / 2) as i8);
            let mut pairs = [[_mm256_setzero_si256(); 2]; ROWS];
            add_pairs(&mut pairs, rows, load_sixes(&block.nibbles, &block.high_bits, p), p);
            for h in 0..2 {
                // The sub-scale of these sixteen inputs, twice in each lane.
                let scales = _mm256_shuffle_epi8(sub_scales[h], twice);
                for (dots, pairs) in dots.iter_mut().zip(&pairs) {
                    dots[h] = _mm256_add_epi32(dots[h], _mm256_madd_epi16(pairs[h], scales));
                }
            }
        }
        dots
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(&self, _block: usize) -> Pair<__m256> {
        load_factors(&self.scales)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mins(&self, _block: usize) -> Pair<__m256> {
        [_mm256_setzero_ps(); 2]
    }
}

/// The two sub-scales of each output, as words of sixteen bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_sub_scales(sub_scales: &[[i8; 2]; TILE]) -> Pair<__m256i> {
    let halves = sub_scales.as_chunks::<8>().0;
    // SAFETY: each half is 16 readable bytes, and the load asks for no alignment.
    let load = |half: &[[i8; 2]; 8]| unsafe { _mm_loadu_si128(half.as_ptr().cast()) };
    [_mm256_cvtepi8_epi16(load(&halves[0])), _mm256_cvtepi8_epi16(load(&halves[1]))]
}

/// Takes the word at byte `at` of each lane twice.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn twice(at: i8) -> __m256i {
    let (a, b) = (at, at + 1);
    _mm256_add_epi16(
        _mm256_setr_epi8(
            0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8,
            12, 12, 12, 12,
        ),
        _mm256_set1_epi16(i16::from_le_bytes([a as u8, b as u8])),
    )
}
