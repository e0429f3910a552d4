//! 256-bit vectors: AVX2 and FMA.

use std::arch::x86_64::*;

use super::Simd;

/// 8 elements of `f32`.
#[derive(Clone, Copy)]
pub struct F32;

impl Simd for F32 {
    type Scalar = f32;
    type Vector = __m256;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn select_greater(a: __m256, b: __m256, then: __m256, otherwise: __m256) -> __m256 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }
}

/// 4 elements of `f64`.
#[derive(Clone, Copy)]
pub struct F64;

impl Simd for F64 {
    type Scalar = f64;
    type Vector = __m256d;
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f64) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, v: __m256d) {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_storeu_pd(to, v) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_add_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_sub_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_mul_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn select_greater(a: __m256d, b: __m256d, then: __m256d, otherwise: __m256d) -> __m256d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm256_blendv_pd(otherwise, then, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)) }
    }
}
