//! Vector instructions, selected at run time.
//!
//! A kernel is written once, generic over [`Simd`], and compiled for each instruction set;
//! [`run`] selects the best one that the processor supports. `CINE_SIMD` (`avx512_bf16`, `avx512`,
//! `avx2`, `portable`) selects another one, to compare results and speed. It has no effect on matrix
//! products: the `gemm` crate makes its own choice.
//!
//! Kernels compute in float32 or float64. Those on features read and write `bf16` too, through
//! [`Loadable`], and multiply pairs of it.

mod loadable;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

use tensor::{Feature, Float, bf16};

pub use loadable::Loadable;

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
    /// `LANES` pairs of `bf16`, ready to be multiplied.
    type Pairs: Copy;

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

    /// Loads `LANES` pairs of `bf16`; `from` needs no alignment.
    /// # Safety
    /// See the trait; `from` must be valid for `2 * LANES` elements.
    unsafe fn load_pairs(from: *const bf16) -> Self::Pairs;
    /// One pair of `bf16` in every lane.
    /// # Safety
    /// See the trait; `from` must be valid for 2 elements.
    unsafe fn splat_pair(from: *const bf16) -> Self::Pairs;
    /// `(c + a₁ b₁) + a₀ b₀`, in this order and rounded twice, in every lane. Products of `bf16` are exact,
    /// so that all instruction sets give the same bits, but for subnormal numbers.
    /// # Safety
    /// See the trait.
    unsafe fn add_dot(a: Self::Pairs, b: Self::Pairs, c: Self::Vector) -> Self::Vector;

    /// Loads `LANES` elements of `bf16`, widened; `from` needs no alignment.
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self::Vector {
        // SAFETY: the caller's pointer is valid for `LANES` elements.
        unsafe { Self::from_lanes(|lane| (*from.add(lane)).to_f64()) }
    }
    /// Stores `LANES` elements as `bf16`, rounded as by [`Feature::narrow`]; `to` needs no alignment.
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn store_bf16(to: *mut bf16, v: Self::Vector) {
        // SAFETY: the caller's pointer is valid for `LANES` elements.
        unsafe {
            let lanes = Self::to_lanes(v);
            (0..Self::LANES).for_each(|lane| *to.add(lane) = Feature::from_f64(lanes[lane]));
        }
    }
    /// The even and the odd elements of `LANES` pairs of `bf16`, widened.
    /// # Safety
    /// See the trait; `from` must be valid for `2 * LANES` elements.
    #[inline(always)]
    unsafe fn load_halves(from: *const bf16) -> [Self::Vector; 2] {
        // SAFETY: the caller's pointer is valid for `2 * LANES` elements.
        [0, 1].map(|half| unsafe { Self::from_lanes(|lane| (*from.add(2 * lane + half)).to_f64()) })
    }

    /// A vector of the given elements.
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn from_lanes(element: impl Fn(usize) -> f64) -> Self::Vector {
        let lanes: [Self::Scalar; MOST_LANES] =
            std::array::from_fn(|i| Self::Scalar::from_f64(element(i % Self::LANES)));
        // SAFETY: the array holds at least `LANES` elements.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// The elements of a vector, the first of the array.
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn to_lanes(v: Self::Vector) -> [f64; MOST_LANES] {
        let mut lanes = [Self::Scalar::default(); MOST_LANES];
        // SAFETY: the array holds at least `LANES` elements.
        unsafe { Self::store(lanes.as_mut_ptr(), v) };
        lanes.map(Feature::to_f64)
    }
}

/// No vector has more lanes.
pub const MOST_LANES: usize = 16;

/// Element types with vector instructions.
pub trait Scalar: Float {
    /// 512-bit vectors, with products of `bf16`.
    type Avx512Bf16: Simd<Scalar = Self>;
    /// 512-bit vectors.
    type Avx512: Simd<Scalar = Self>;
    /// 256-bit vectors with fused multiply-add.
    type Avx2: Simd<Scalar = Self>;
    /// Small arrays, which the compiler vectorises for any target.
    type Portable: Simd<Scalar = Self>;
}

#[cfg(target_arch = "x86_64")]
impl Scalar for f32 {
    type Avx512Bf16 = x86::Avx512Bf16;
    type Avx512 = x86::Avx512F32;
    type Avx2 = x86::Avx2F32;
    type Portable = portable::Lanes<f32>;
}

#[cfg(target_arch = "x86_64")]
impl Scalar for f64 {
    type Avx512Bf16 = x86::Avx512F64;
    type Avx512 = x86::Avx512F64;
    type Avx2 = x86::Avx2F64;
    type Portable = portable::Lanes<f64>;
}

#[cfg(not(target_arch = "x86_64"))]
impl Scalar for f32 {
    type Avx512Bf16 = portable::Lanes<f32>;
    type Avx512 = portable::Lanes<f32>;
    type Avx2 = portable::Lanes<f32>;
    type Portable = portable::Lanes<f32>;
}

#[cfg(not(target_arch = "x86_64"))]
impl Scalar for f64 {
    type Avx512Bf16 = portable::Lanes<f64>;
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
    /// The same and AVX-512 BF16: products of `bf16`.
    Avx512Bf16,
}

impl Level {
    /// Its name in `CINE_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Avx512Bf16 => "avx512_bf16",
        }
    }

    /// Whether it multiplies pairs of `bf16` by one instruction.
    pub fn multiplies_bf16(self) -> bool {
        self == Level::Avx512Bf16
    }

    /// The best of those that this processor supports. Intel's processors do half as many products of `bf16`
    /// by AVX-512 as of `f32`.
    fn best() -> Level {
        let worth = |level: &Level| !level.multiplies_bf16() || is_made_by_amd();
        Level::available().into_iter().rfind(worth).unwrap_or(Level::Portable)
    }

    /// Every instruction set that this processor supports, newest last.
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
                if is_x86_feature_detected!("avx512bf16") {
                    levels.push(Level::Avx512Bf16);
                }
            }
        }
        levels
    }
}

/// Why the instruction set that `CINE_SIMD` names cannot be used, if it names one that this processor lacks; the
/// best one is used then.
pub fn refusal() -> Option<String> {
    let requested = std::env::var_os("CINE_SIMD")?;
    let names: Vec<_> = Level::available().into_iter().map(Level::name).collect();
    let is_known = names.iter().any(|&name| requested == name);
    let named = requested.to_string_lossy();
    (!is_known).then(|| format!("CINE_SIMD={named}: this processor has {}", names.join(", ")))
}

/// The instruction set in use: the one named by `CINE_SIMD` if the processor supports it, otherwise
/// the best.
pub fn level() -> Level {
    static LEVEL: LazyLock<Level> = LazyLock::new(|| {
        let requested = std::env::var("CINE_SIMD").ok();
        let named = |level: &Level| Some(level.name()) == requested.as_deref();
        Level::available().into_iter().find(named).unwrap_or_else(Level::best)
    });
    *LEVEL
}

#[cfg(target_arch = "x86_64")]
fn is_made_by_amd() -> bool {
    let leaf = std::arch::x86_64::__cpuid(0);
    let vendor = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat();
    vendor == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_made_by_amd() -> bool {
    false
}

/// Elements per vector of the instruction set in use.
pub fn lanes<T: Scalar>() -> usize {
    match level() {
        Level::Portable => T::Portable::LANES,
        Level::Avx2 => T::Avx2::LANES,
        Level::Avx512 => T::Avx512::LANES,
        Level::Avx512Bf16 => T::Avx512Bf16::LANES,
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
        #[cfg(target_arch = "x86_64")]
        // SAFETY: likewise.
        Level::Avx512Bf16 => unsafe { in_avx512_bf16::<T, K>(kernel) },
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn in_avx512_bf16<T: Scalar, K: Vectorised<T>>(kernel: K) -> K::Output {
    // SAFETY: this function enables the instruction set.
    unsafe { kernel.run::<T::Avx512Bf16>() }
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

    /// What is done with `bf16`, of `N` elements.
    struct Bf16<'a, const N: usize> {
        x: &'a [bf16; N],
        weights: &'a [bf16; N],
        wide: &'a [f32; N],
    }

    /// Elements widened and rounded again, wide numbers rounded, and sums of products.
    #[derive(Debug, PartialEq)]
    struct Found {
        same: Vec<u16>,
        rounded: Vec<u16>,
        sums: Vec<u32>,
    }

    impl<const N: usize> Vectorised<f32> for Bf16<'_, N> {
        type Output = Found;

        #[inline(always)]
        unsafe fn run<S: Simd<Scalar = f32>>(self) -> Found {
            let zero = bf16::ZERO;
            let (mut same, mut rounded) = ([zero; N], [zero; N]);
            let mut sums = [0.0f32; N];
            for i in (0..N).step_by(S::LANES) {
                // SAFETY: all arrays are of N elements, a multiple of every LANES.
                unsafe {
                    S::store_bf16(&mut same[i], S::load_bf16(&self.x[i]));
                    S::store_bf16(&mut rounded[i], S::load(&self.wide[i]));
                }
            }
            for i in (0..N).step_by(2 * S::LANES) {
                // SAFETY: likewise; N is a multiple of twice every LANES.
                unsafe {
                    let pairs = S::load_pairs(&self.weights[i]);
                    let sum = S::load(self.wide.as_ptr().add(i));
                    let sum = S::add_dot(S::splat_pair(&self.x[i]), pairs, sum);
                    S::store(&mut sums[i], sum);
                }
            }
            let bits = |values: [bf16; N]| values.map(bf16::to_bits).to_vec();
            Found {
                same: bits(same),
                rounded: bits(rounded),
                sums: sums.map(f32::to_bits).to_vec(),
            }
        }
    }

    #[test]
    fn every_instruction_set_reads_rounds_and_multiplies_bf16_alike() {
        const N: usize = 512;
        let mixed = |i: usize, k: u32| (i as u32).wrapping_mul(k).wrapping_add(k) >> 3;
        // Any normal number, zero, infinity and NaN; products of moderate ones.
        let wide: [f32; N] = std::array::from_fn(|i| {
            let x = f32::from_bits(mixed(i, 2_654_435_761) << 3 | i as u32 & 7);
            if i % 97 == 0 { [0.0, -0.0, f32::INFINITY, f32::NAN][i % 4] } else { x }
        });
        let moderate = |k| -> [bf16; N] {
            std::array::from_fn(|i| bf16::from_f64(f64::from(mixed(i, k) % 1000) / 77.0 - 6.0))
        };
        let (x, weights) = (moderate(97_003), moderate(55_001));
        let job = || Bf16 { x: &x, weights: &weights, wide: &wide };
        for level in Level::available() {
            let lanes = match level {
                Level::Portable => <f32 as Scalar>::Portable::LANES,
                Level::Avx2 => <f32 as Scalar>::Avx2::LANES,
                _ => <f32 as Scalar>::Avx512::LANES,
            };
            let Found { same, rounded, sums } = run_at(level, job());
            assert_eq!(same, x.map(bf16::to_bits), "{}", level.name());
            let narrow = |x: f32| <bf16 as Feature>::narrow(x).to_bits();
            assert_eq!(rounded, wide.map(narrow), "{}", level.name());
            for i in 0..N {
                let (vectors, lane) = (i / (2 * lanes), i % (2 * lanes));
                if lane < lanes {
                    let [x, w] = [(&x, vectors * 2 * lanes), (&weights, i + lane)]
                        .map(|(of, at)| [of[at].widen(), of[at + 1].widen()]);
                    let wanted = (wide[i] + x[1] * w[1]) + x[0] * w[0];
                    let is_same = sums[i] == wanted.to_bits() || wanted.is_nan();
                    assert!(is_same, "{} at {i}: {wanted}", level.name());
                }
            }
        }
    }
}
