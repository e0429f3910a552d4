//! Vector instructions, selected at run time.
//!
//! A kernel is written once, generic over [`Simd`], and compiled for each instruction set;
//! [`run`] selects the best one that the processor supports. `CINE_SIMD` (`avx512`, `avx2`,
//! `portable`) selects a lesser one, to compare results and speed. It has no effect on matrix
//! products: the `gemm` crate makes its own choice.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

use tensor::Float;

/// The vectors of one instruction set and one element type.
///
/// # Safety
/// Every function may be called only where the instruction set is enabled, that is from
/// [`Vectorised::run`], and pointers must be valid for `LANES` elements.
pub trait Simd: Copy + Send + Sync + 'static {
    /// The element type.
    type Scalar: Scalar;
    /// A register of `LANES` elements.
    type Vector: Copy;
    /// Elements per vector.
    const LANES: usize;
    /// Number of vector registers.
    const REGISTERS: usize;

    /// A vector whose lanes are all `x`.
    /// # Safety
    /// See the trait.
    unsafe fn splat(x: Self::Scalar) -> Self::Vector;
    /// Loads `LANES` elements; `from` needs no alignment.
    /// # Safety
    /// See the trait.
    unsafe fn load(from: *const Self::Scalar) -> Self::Vector;
    /// Stores `LANES` elements; `to` needs no alignment.
    /// # Safety
    /// See the trait.
    unsafe fn store(to: *mut Self::Scalar, v: Self::Vector);
    /// `a * b + c`, rounded once where the instruction set has a fused instruction.
    /// # Safety
    /// See the trait.
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a + b`.
    /// # Safety
    /// See the trait.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a - b`.
    /// # Safety
    /// See the trait.
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b`.
    /// # Safety
    /// See the trait.
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `if a > b { then } else { otherwise }`, lane by lane.
    /// # Safety
    /// See the trait.
    unsafe fn select_greater(
        a: Self::Vector,
        b: Self::Vector,
        then: Self::Vector,
        otherwise: Self::Vector,
    ) -> Self::Vector;
}

/// Element types with vector instructions.
pub trait Scalar: Float {
    /// 512-bit vectors.
    type Avx512: Simd<Scalar = Self>;
    /// 256-bit vectors with fused multiply-add.
    type Avx2: Simd<Scalar = Self>;
    /// Small arrays, which the compiler vectorises for any target.
    type Portable: Simd<Scalar = Self>;
}

#[cfg(target_arch = "x86_64")]
impl Scalar for f32 {
    type Avx512 = x86::Avx512F32;
    type Avx2 = x86::Avx2F32;
    type Portable = portable::Lanes<f32>;
}

#[cfg(target_arch = "x86_64")]
impl Scalar for f64 {
    type Avx512 = x86::Avx512F64;
    type Avx2 = x86::Avx2F64;
    type Portable = portable::Lanes<f64>;
}

#[cfg(not(target_arch = "x86_64"))]
impl Scalar for f32 {
    type Avx512 = portable::Lanes<f32>;
    type Avx2 = portable::Lanes<f32>;
    type Portable = portable::Lanes<f32>;
}

#[cfg(not(target_arch = "x86_64"))]
impl Scalar for f64 {
    type Avx512 = portable::Lanes<f64>;
    type Avx2 = portable::Lanes<f64>;
    type Portable = portable::Lanes<f64>;
}

/// A kernel generic over the instruction set.
///
/// `run` must be `#[inline(always)]`, and so must every function that it passes vectors to: only
/// code that is inlined into the function that enables the instruction set is compiled for it.
pub trait Vectorised<T: Scalar> {
    /// What the kernel returns.
    type Output;

    /// Runs the kernel.
    ///
    /// # Safety
    /// The processor must support the instruction set of `S`.
    unsafe fn run<S: Simd<Scalar = T>>(self) -> Self::Output;
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The baseline of the compilation target.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Level {
    /// Its name in `CINE_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Every instruction set that this processor supports, best last.
    pub fn available() -> Vec<Level> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Level::Avx2);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// The instruction set in use: the one named by `CINE_SIMD` if the processor supports it, otherwise
/// the best.
pub fn level() -> Level {
    static LEVEL: LazyLock<Level> = LazyLock::new(|| {
        let available = Level::available();
        let best = available.last().copied().unwrap_or(Level::Portable);
        let requested = std::env::var("CINE_SIMD").ok();
        available.into_iter().find(|l| Some(l.name()) == requested.as_deref()).unwrap_or(best)
    });
    *LEVEL
}

/// Elements per vector of the instruction set in use.
pub fn lanes<T: Scalar>() -> usize {
    match level() {
        Level::Portable => T::Portable::LANES,
        Level::Avx2 => T::Avx2::LANES,
        Level::Avx512 => T::Avx512::LANES,
    }
}

/// Runs a kernel with the instruction set in use.
#[inline]
pub fn run<T: Scalar, K: Vectorised<T>>(kernel: K) -> K::Output {
    run_checked(level(), kernel)
}

/// Runs a kernel with a given instruction set.
///
/// # Panics
/// When the processor does not support it.
pub fn run_at<T: Scalar, K: Vectorised<T>>(level: Level, kernel: K) -> K::Output {
    assert!(
        Level::available().contains(&level),
        "this processor does not support {}",
        level.name()
    );
    run_checked(level, kernel)
}

/// Like [`run_at`], for a level that is known to be available.
#[inline]
fn run_checked<T: Scalar, K: Vectorised<T>>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: portable code uses only the baseline of the compilation target.
        Level::Portable => unsafe { kernel.run::<T::Portable>() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both callers pass levels from `Level::available`, which detected AVX2 and FMA.
        Level::Avx2 => unsafe { in_avx2::<T, K>(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: likewise, for the AVX-512 features that `in_avx512` enables.
        Level::Avx512 => unsafe { in_avx512::<T, K>(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: as above; `Level::available` lists no other level on this architecture.
        _ => unsafe { kernel.run::<T::Portable>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn in_avx2<T: Scalar, K: Vectorised<T>>(kernel: K) -> K::Output {
    // SAFETY: this function enables the instruction set.
    unsafe { kernel.run::<T::Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn in_avx512<T: Scalar, K: Vectorised<T>>(kernel: K) -> K::Output {
    // SAFETY: this function enables the instruction set.
    unsafe { kernel.run::<T::Avx512>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything<'a, T>(&'a [T], &'a [T], &'a mut [T]);

    impl<T: Scalar> Vectorised<T> for Everything<'_, T> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = T>>(self) {
            for i in (0..self.0.len()).step_by(S::LANES) {
                // SAFETY: the slices are as long as each other and a multiple of every LANES.
                unsafe {
                    let (a, b) = (S::load(&self.0[i]), S::load(&self.1[i]));
                    let two = S::splat(T::from_f64(2.0));
                    let sum = S::mul_add(a, b, S::sub(S::mul(a, two), S::add(b, two)));
                    S::store(&mut self.2[i], S::select_greater(a, b, sum, b));
                }
            }
        }
    }

    fn every_level_agrees<T: Scalar>() {
        let a: Vec<T> = (0..64).map(|i| T::from_f64(f64::from(i * 7 % 13) - 6.0)).collect();
        let b: Vec<T> = (0..64).map(|i| T::from_f64(f64::from(i * 5 % 11) - 5.0)).collect();
        for level in Level::available() {
            let mut out = vec![T::default(); 64];
            run_at(level, Everything(&a, &b, &mut out));
            for ((&a, &b), &out) in a.iter().zip(&b).zip(&out) {
                let (a, b) = (a.to_f64(), b.to_f64());
                let wanted = if a > b { a * b + 2.0 * a - b - 2.0 } else { b };
                assert_eq!(out.to_f64(), wanted, "{} at {a}, {b}", level.name());
            }
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        every_level_agrees::<f32>();
        every_level_agrees::<f64>();
    }
}
