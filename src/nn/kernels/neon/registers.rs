//! Loads, stores and conversions of whole registers.
#![expect(
    unsafe_code,
    reason = "loads and stores take pointers; some instructions have no function"
)]

use std::arch::{
    aarch64::{
        float32x4_t, int32x4_t, uint8x16_t, uint16x8_t, vld1q_f32, vld1q_s32, vld1q_u8, vld1q_u16,
        vst1q_f32,
    },
    asm,
};

use half::f16;

/// Four numbers.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_f32(values: &[f32; 4]) -> float32x4_t {
    // SAFETY: the array is 16 readable bytes.
    unsafe { vld1q_f32(values.as_ptr()) }
}

/// Four whole numbers.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_i32(values: &[i32; 4]) -> int32x4_t {
    // SAFETY: the array is 16 readable bytes.
    unsafe { vld1q_s32(values.as_ptr()) }
}

/// Sixteen bytes.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_bytes(values: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array is 16 readable bytes.
    unsafe { vld1q_u8(values.as_ptr()) }
}

/// Eight words of sixteen bits.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_words<T>(values: &[T; 8]) -> uint16x8_t {
    const { assert!(size_of::<T>() == 2, "words of sixteen bits") };
    // SAFETY: the array is 16 readable bytes, and any bits are a word.
    unsafe { vld1q_u16(values.as_ptr().cast()) }
}

/// Eight numbers of half precision.
#[inline]
#[target_feature(enable = "neon")]
pub fn load_f16(values: &[f16; 8]) -> [float32x4_t; 2] {
    let halves = load_words(values);
    let (low, high): (float32x4_t, float32x4_t);
    // SAFETY: the instructions belong to every 64-bit ARM processor and touch registers alone.
    unsafe {
        asm!(
            // The second reads what the first must not have written over.
            "fcvtl2 {high:v}.4s, {halves:v}.8h",
            "fcvtl {low:v}.4s, {halves:v}.4h",
            high = out(vreg) high,
            low = lateout(vreg) low,
            halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    [low, high]
}

/// Four numbers out of a register.
#[inline]
#[target_feature(enable = "neon")]
pub fn store_f32(vector: float32x4_t) -> [f32; 4] {
    let mut values = [0.0; 4];
    // SAFETY: the array is 16 writable bytes.
    unsafe { vst1q_f32(values.as_mut_ptr(), vector) };
    values
}

/// `N` numbers out of a quarter as many registers.
#[inline]
#[target_feature(enable = "neon")]
pub fn store_all<const REGISTERS: usize, const N: usize>(
    vectors: [float32x4_t; REGISTERS],
) -> [f32; N] {
    const { assert!(N == 4 * REGISTERS, "four to a register") };
    let mut values = [0.0; N];
    for (values, vector) in values.as_chunks_mut().0.iter_mut().zip(vectors) {
        *values = store_f32(vector);
    }
    values
}
