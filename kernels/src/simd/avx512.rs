//! 512-bit vectors: AVX-512.

use std::arch::x86_64::*;

use super::Simd;

/// 16 elements of `f32`.
#[derive(Clone, Copy)]
pub struct F32;

impl Simd for F32 {
    type Scalar = f32;
    type Vector = __m512;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn select_greater(a: __m512, b: __m512, then: __m512, otherwise: __m512) -> __m512 {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then) }
    }
}

/// 8 elements of `f64`.
#[derive(Clone, Copy)]
pub struct F64;

impl Simd for F64 {
    type Scalar = f64;
    type Vector = __m512d;
    const LANES: usize = 8;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f64) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, v: __m512d) {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_storeu_pd(to, v) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_add_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_sub_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_mul_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn select_greater(a: __m512d, b: __m512d, then: __m512d, otherwise: __m512d) -> __m512d {
        // SAFETY: the caller's promise: the instruction set is enabled, pointers are valid.
        unsafe { _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), otherwise, then) }
    }
}
