//! Vectors of x86-64: AVX2 with fused multiply-add (256 bits) and AVX-512 (512 bits).

use std::arch::x86_64::*;

use super::Simd;

/// Implements [`Simd`] for a new type from the intrinsics of one vector type.
macro_rules! vector {
    (
        $(#[$doc:meta])*
        $name:ident: [$scalar:ty; $lanes:literal] in $vector:ty, $registers:literal registers;
        $set1:ident, $loadu:ident, $storeu:ident, $fmadd:ident, $add:ident, $sub:ident, $mul:ident;
        select_greater($a:ident, $b:ident, $then:ident, $otherwise:ident): $select:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Simd for $name {
            type Scalar = $scalar;
            type Vector = $vector;
            const LANES: usize = $lanes;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            unsafe fn splat(x: $scalar) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $set1(x) }
            }

            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> $vector {
                // SAFETY: as above; the caller's pointer is valid for `LANES` elements, and the
                // instruction needs no alignment.
                unsafe { $loadu(from) }
            }

            #[inline(always)]
            unsafe fn store(to: *mut $scalar, v: $vector) {
                // SAFETY: as for `load`.
                unsafe { $storeu(to, v) }
            }

            #[inline(always)]
            unsafe fn mul_add(a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $fmadd(a, b, c) }
            }

            #[inline(always)]
            unsafe fn add(a: $vector, b: $vector) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $add(a, b) }
            }

            #[inline(always)]
            unsafe fn sub(a: $vector, b: $vector) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $sub(a, b) }
            }

            #[inline(always)]
            unsafe fn mul(a: $vector, b: $vector) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $mul(a, b) }
            }

            #[inline(always)]
            unsafe fn select_greater(
                $a: $vector,
                $b: $vector,
                $then: $vector,
                $otherwise: $vector,
            ) -> $vector {
                // SAFETY: the caller runs where the instruction set is enabled.
                unsafe { $select }
            }
        }
    };
}

vector! {
    /// 8 elements of `f32` in an AVX2 register.
    Avx2F32: [f32; 8] in __m256, 16 registers;
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_add_ps,
    _mm256_sub_ps, _mm256_mul_ps;
    select_greater(a, b, then, otherwise):
        _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b))
}

vector! {
    /// 4 elements of `f64` in an AVX2 register.
    Avx2F64: [f64; 4] in __m256d, 16 registers;
    _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_add_pd,
    _mm256_sub_pd, _mm256_mul_pd;
    select_greater(a, b, then, otherwise):
        _mm256_blendv_pd(otherwise, then, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b))
}

vector! {
    /// 16 elements of `f32` in an AVX-512 register.
    Avx512F32: [f32; 16] in __m512, 32 registers;
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps,
    _mm512_sub_ps, _mm512_mul_ps;
    select_greater(a, b, then, otherwise):
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then)
}

vector! {
    /// 8 elements of `f64` in an AVX-512 register.
    Avx512F64: [f64; 8] in __m512d, 32 registers;
    _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_add_pd,
    _mm512_sub_pd, _mm512_mul_pd;
    select_greater(a, b, then, otherwise):
        _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), otherwise, then)
}
