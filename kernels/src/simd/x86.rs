//! Vectors of x86-64: AVX2 with fused multiply-add (256 bits) and AVX-512 (512 bits).

use std::arch::x86_64::*;

use tensor::{Feature, bf16};

use super::Simd;

/// Implements [`Simd`] for a new type from the intrinsics of one vector type. `$of_bf16` is a macro of the
/// functions on `bf16`.
macro_rules! vector {
    (
        $(#[$doc:meta])*
        $name:ident: [$scalar:ty; $lanes:literal] in $vector:ty, $registers:literal registers;
        $set1:ident, $loadu:ident, $storeu:ident, $fmadd:ident, $add:ident, $sub:ident, $mul:ident;
        select_greater($a:ident, $b:ident, $then:ident, $otherwise:ident): $select:expr,
        $of_bf16:ident
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

            $of_bf16!();
        }
    };
}

/// Products of pairs as two of the elements, widened.
macro_rules! widened_pairs {
    () => {
        type Pairs = [Self::Vector; 2];

        #[inline(always)]
        unsafe fn load_pairs(from: *const bf16) -> Self::Pairs {
            // SAFETY: the caller's promises.
            unsafe { Self::load_halves(from) }
        }

        #[inline(always)]
        unsafe fn splat_pair(from: *const bf16) -> Self::Pairs {
            // SAFETY: the caller's promises.
            [0, 1].map(|half| unsafe {
                Self::splat(Self::Scalar::from_f64((*from.add(half)).to_f64()))
            })
        }

        #[inline(always)]
        unsafe fn add_dot(a: Self::Pairs, b: Self::Pairs, c: Self::Vector) -> Self::Vector {
            // SAFETY: the caller's promises.
            unsafe { Self::mul_add(a[0], b[0], Self::mul_add(a[1], b[1], c)) }
        }
    };
}

/// Loads and stores of `bf16` as `f32` in 256 bits.
macro_rules! avx2_bf16 {
    () => {
        widened_pairs!();

        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> __m256 {
            // SAFETY: the caller's pointer is valid for 8 elements, 128 bits.
            unsafe {
                let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
            }
        }

        #[inline(always)]
        unsafe fn store_bf16(to: *mut bf16, v: __m256) {
            // SAFETY: the caller's pointer is valid for 8 elements, 128 bits.
            unsafe {
                let words = narrow256(v);
                let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(words, words));
                _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed));
            }
        }

        #[inline(always)]
        unsafe fn load_halves(from: *const bf16) -> [__m256; 2] {
            // SAFETY: the caller's pointer is valid for 16 elements, 256 bits.
            unsafe {
                let pairs = _mm256_loadu_si256(from.cast());
                let high = _mm256_set1_epi32(0xffff_0000u32 as i32);
                let halves = [_mm256_slli_epi32::<16>(pairs), _mm256_and_si256(pairs, high)];
                halves.map(|half| _mm256_castsi256_ps(half))
            }
        }
    };
}

/// Loads and stores of `bf16` as `f32` in 512 bits; `$narrow` rounds.
macro_rules! avx512_bf16_memory {
    ($narrow:ident) => {
        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> __m512 {
            // SAFETY: the caller's pointer is valid for 16 elements, 256 bits.
            unsafe {
                let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
            }
        }

        #[inline(always)]
        unsafe fn store_bf16(to: *mut bf16, v: __m512) {
            // SAFETY: the caller's pointer is valid for 16 elements, 256 bits.
            unsafe { _mm256_storeu_si256(to.cast(), $narrow(v)) }
        }

        #[inline(always)]
        unsafe fn load_halves(from: *const bf16) -> [__m512; 2] {
            // SAFETY: the caller's pointer is valid for 32 elements, 512 bits.
            unsafe {
                let pairs = _mm512_loadu_si512(from.cast());
                let high = _mm512_set1_epi32(0xffff_0000u32 as i32);
                let halves = [_mm512_slli_epi32::<16>(pairs), _mm512_and_si512(pairs, high)];
                halves.map(|half| _mm512_castsi512_ps(half))
            }
        }
    };
}

macro_rules! avx512_without_bf16 {
    () => {
        widened_pairs!();
        avx512_bf16_memory!(narrow512);
    };
}

macro_rules! avx512_with_bf16 {
    () => {
        type Pairs = __m512i;

        #[inline(always)]
        unsafe fn load_pairs(from: *const bf16) -> __m512i {
            // SAFETY: the caller's pointer is valid for 32 elements, 512 bits.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn splat_pair(from: *const bf16) -> __m512i {
            // SAFETY: the caller's pointer is valid for 2 elements, 32 bits.
            unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn add_dot(a: __m512i, b: __m512i, c: __m512) -> __m512 {
            // SAFETY: the caller runs where the instruction set is enabled; the casts are of the same bits.
            unsafe {
                let [a, b] = [a, b].map(|x| std::mem::transmute::<__m512i, __m512bh>(x));
                _mm512_dpbf16_ps(c, a, b)
            }
        }

        avx512_bf16_memory!(narrow512_by_instruction);
    };
}

/// Eight numbers as `bf16`, rounded as by [`Feature::narrow`], in the lower halves of words.
///
/// # Safety
/// AVX2 must be enabled.
#[inline(always)]
unsafe fn narrow256(v: __m256) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm256_castps_si256(v);
        let high = _mm256_srli_epi32::<16>(bits);
        let magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fff_ffff));
        let odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
        let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
        let nearest = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, half));
        let quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
        let is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f80_0000));
        let is_tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x0080_0000), magnitude);
        let zero = _mm256_and_si256(high, _mm256_set1_epi32(0x8000));
        let rounded = _mm256_blendv_epi8(nearest, quiet, is_nan);
        _mm256_blendv_epi8(rounded, zero, is_tiny)
    }
}

/// Sixteen numbers as `bf16`, rounded likewise.
///
/// # Safety
/// AVX-512 F, BW, DQ and VL must be enabled.
#[inline(always)]
unsafe fn narrow512(v: __m512) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm512_castps_si512(v);
        let high = _mm512_srli_epi32::<16>(bits);
        let magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fff_ffff));
        let odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
        let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
        let nearest = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, half));
        let quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
        let is_nan = _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(0x7f80_0000));
        let is_tiny = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x0080_0000));
        let zero = _mm512_and_si512(high, _mm512_set1_epi32(0x8000));
        let rounded = _mm512_mask_blend_epi32(is_nan, nearest, quiet);
        _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_tiny, rounded, zero))
    }
}

/// The same as one instruction.
///
/// # Safety
/// AVX-512 F and BF16 must be enabled.
#[inline(always)]
unsafe fn narrow512_by_instruction(v: __m512) -> __m256i {
    // SAFETY: the caller's promise; the cast is of the same bits.
    unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v)) }
}

vector! {
    /// 8 elements of `f32` in an AVX2 register.
    Avx2F32: [f32; 8] in __m256, 16 registers;
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_add_ps,
    _mm256_sub_ps, _mm256_mul_ps;
    select_greater(a, b, then, otherwise):
        _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)),
    avx2_bf16
}

vector! {
    /// 4 elements of `f64` in an AVX2 register.
    Avx2F64: [f64; 4] in __m256d, 16 registers;
    _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_add_pd,
    _mm256_sub_pd, _mm256_mul_pd;
    select_greater(a, b, then, otherwise):
        _mm256_blendv_pd(otherwise, then, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)),
    widened_pairs
}

vector! {
    /// 16 elements of `f32` in an AVX-512 register.
    Avx512F32: [f32; 16] in __m512, 32 registers;
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps,
    _mm512_sub_ps, _mm512_mul_ps;
    select_greater(a, b, then, otherwise):
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then),
    avx512_without_bf16
}

vector! {
    /// The same, with products of `bf16`.
    Avx512Bf16: [f32; 16] in __m512, 32 registers;
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps,
    _mm512_sub_ps, _mm512_mul_ps;
    select_greater(a, b, then, otherwise):
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then),
    avx512_with_bf16
}

vector! {
    /// 8 elements of `f64` in an AVX-512 register.
    Avx512F64: [f64; 8] in __m512d, 32 registers;
    _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_add_pd,
    _mm512_sub_pd, _mm512_mul_pd;
    select_greater(a, b, then, otherwise):
        _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), otherwise, then),
    widened_pairs
}
