//! Small arrays, which the compiler vectorises for any target.

use std::marker::PhantomData;

use tensor::bf16;

use super::{Scalar, Simd};

/// Four elements of type `T`.
#[derive(Clone, Copy)]
pub struct Lanes<T>(PhantomData<T>);

/// Four lanes fill one 128-bit register (`f32`) or two (`f64`), which every x86-64 and Arm64
/// processor has.
const LANES: usize = 4;

impl<T: Scalar> Simd for Lanes<T> {
    type Scalar = T;
    type Vector = [T; LANES];
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;
    type Pairs = [[T; LANES]; 2];

    #[inline(always)]
    unsafe fn splat(x: T) -> [T; LANES] {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> [T; LANES] {
        // SAFETY: the caller's pointer is valid for `LANES` elements; alignment is not needed.
        unsafe { from.cast::<[T; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut T, v: [T; LANES]) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[T; LANES]>().write_unaligned(v) }
    }

    /// Rounds twice: without a fused instruction, rounding once would take a library call.
    #[inline(always)]
    unsafe fn mul_add(a: [T; LANES], b: [T; LANES], c: [T; LANES]) -> [T; LANES] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn add(a: [T; LANES], b: [T; LANES]) -> [T; LANES] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: [T; LANES], b: [T; LANES]) -> [T; LANES] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: [T; LANES], b: [T; LANES]) -> [T; LANES] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn select_greater(
        a: [T; LANES],
        b: [T; LANES],
        then: [T; LANES],
        otherwise: [T; LANES],
    ) -> [T; LANES] {
        std::array::from_fn(|i| if a[i] > b[i] { then[i] } else { otherwise[i] })
    }

    #[inline(always)]
    unsafe fn load_pairs(from: *const bf16) -> [[T; LANES]; 2] {
        // SAFETY: the caller's pointer is valid for `2 * LANES` elements.
        unsafe { Self::load_halves(from) }
    }

    #[inline(always)]
    unsafe fn splat_pair(from: *const bf16) -> [[T; LANES]; 2] {
        // SAFETY: the caller's pointer is valid for 2 elements.
        [0, 1].map(|half| [T::from_f64(unsafe { *from.add(half) }.to_f64()); LANES])
    }

    #[inline(always)]
    unsafe fn add_dot(a: [[T; LANES]; 2], b: [[T; LANES]; 2], c: [T; LANES]) -> [T; LANES] {
        std::array::from_fn(|i| (c[i] + a[1][i] * b[1][i]) + a[0][i] * b[0][i])
    }
}
