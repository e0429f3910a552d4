//! Element types that vector kernels read and write.

use tensor::{Feature, bf16};

use super::{Scalar, Simd};

/// Elements that vector kernels load and store: `bf16`, `f32` or `f64`. Vectors are of the accumulator.
///
/// Elements that one instruction multiplies are in groups: pairs of `bf16`, and single elements of other types.
///
/// # Safety
/// Every function may be called only where the instruction set of `S` is enabled, and pointers must be
/// valid for the elements that it loads or stores. They need no alignment.
pub trait Loadable: Feature<Acc: Scalar> {
    /// Elements of a group.
    const GROUP: usize;
    /// A group for each lane, ready to be multiplied.
    type Groups<S: Simd<Scalar = Self::Acc>>: Copy;

    /// Loads `LANES` elements, widened.
    /// # Safety
    /// See the trait.
    unsafe fn load<S: Simd<Scalar = Self::Acc>>(from: *const Self) -> S::Vector;
    /// Stores `LANES` elements, rounded.
    /// # Safety
    /// See the trait.
    unsafe fn store<S: Simd<Scalar = Self::Acc>>(to: *mut Self, v: S::Vector);
    /// Loads `LANES` groups.
    /// # Safety
    /// See the trait.
    unsafe fn load_groups<S: Simd<Scalar = Self::Acc>>(from: *const Self) -> Self::Groups<S>;
    /// One group in every lane.
    /// # Safety
    /// See the trait.
    unsafe fn splat_group<S: Simd<Scalar = Self::Acc>>(from: *const Self) -> Self::Groups<S>;
    /// `c` plus the inner product of each lane's groups, the last element first.
    /// # Safety
    /// See the trait.
    unsafe fn add_products<S: Simd<Scalar = Self::Acc>>(
        a: Self::Groups<S>,
        b: Self::Groups<S>,
        c: S::Vector,
    ) -> S::Vector;
}

macro_rules! single {
    ($($type:ty),*) => {
        $(
            impl Loadable for $type {
                const GROUP: usize = 1;
                type Groups<S: Simd<Scalar = Self>> = S::Vector;

                #[inline(always)]
                unsafe fn load<S: Simd<Scalar = Self>>(from: *const Self) -> S::Vector {
                    // SAFETY: the caller's promises.
                    unsafe { S::load(from) }
                }

                #[inline(always)]
                unsafe fn store<S: Simd<Scalar = Self>>(to: *mut Self, v: S::Vector) {
                    // SAFETY: the caller's promises.
                    unsafe { S::store(to, v) }
                }

                #[inline(always)]
                unsafe fn load_groups<S: Simd<Scalar = Self>>(from: *const Self) -> S::Vector {
                    // SAFETY: the caller's promises.
                    unsafe { S::load(from) }
                }

                #[inline(always)]
                unsafe fn splat_group<S: Simd<Scalar = Self>>(from: *const Self) -> S::Vector {
                    // SAFETY: the caller's promises.
                    unsafe { S::splat(*from) }
                }

                #[inline(always)]
                unsafe fn add_products<S: Simd<Scalar = Self>>(
                    a: S::Vector,
                    b: S::Vector,
                    c: S::Vector,
                ) -> S::Vector {
                    // SAFETY: the caller's promises.
                    unsafe { S::mul_add(a, b, c) }
                }
            }
        )*
    };
}

single!(f32, f64);

impl Loadable for bf16 {
    const GROUP: usize = 2;
    type Groups<S: Simd<Scalar = f32>> = S::Pairs;

    #[inline(always)]
    unsafe fn load<S: Simd<Scalar = f32>>(from: *const Self) -> S::Vector {
        // SAFETY: the caller's promises.
        unsafe { S::load_bf16(from) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd<Scalar = f32>>(to: *mut Self, v: S::Vector) {
        // SAFETY: the caller's promises.
        unsafe { S::store_bf16(to, v) }
    }

    #[inline(always)]
    unsafe fn load_groups<S: Simd<Scalar = f32>>(from: *const Self) -> S::Pairs {
        // SAFETY: the caller's promises.
        unsafe { S::load_pairs(from) }
    }

    #[inline(always)]
    unsafe fn splat_group<S: Simd<Scalar = f32>>(from: *const Self) -> S::Pairs {
        // SAFETY: the caller's promises.
        unsafe { S::splat_pair(from) }
    }

    #[inline(always)]
    unsafe fn add_products<S: Simd<Scalar = f32>>(
        a: S::Pairs,
        b: S::Pairs,
        c: S::Vector,
    ) -> S::Vector {
        // SAFETY: the caller's promises.
        unsafe { S::add_dot(a, b, c) }
    }
}
