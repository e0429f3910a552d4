//! Element types, and macros that dispatch on them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::{Error, Result};

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 8-bit unsigned integer: class labels and masks.
    U8,
    /// bfloat16: images and features in mixed precision. Parameters, statistics and losses then have
    /// the [accumulator dtype](DType::accumulator), f32.
    BF16,
    /// 32-bit IEEE float: training.
    F32,
    /// 64-bit IEEE float: gradient checks and comparison with PyTorch.
    F64,
}

impl DType {
    /// Size of one element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::BF16 => 2,
            DType::F32 => 4,
            DType::F64 => 8,
        }
    }

    /// The accumulator dtype: that of sums, parameters, statistics and losses when features have this
    /// dtype. [`F32`](DType::F32) for [`BF16`](DType::BF16), otherwise the dtype itself.
    pub fn accumulator(self) -> Self {
        if self == DType::BF16 { DType::F32 } else { self }
    }

    /// Checks that `operation` can compute in this dtype: f32 or f64.
    ///
    /// # Errors
    /// [`Error::DType`] for any other dtype.
    pub fn require_float(self, operation: &'static str) -> Result<()> {
        match self {
            DType::F32 | DType::F64 => Ok(()),
            found => Err(Error::DType { operation, found, wanted: "f32 or f64" }),
        }
    }

    /// Checks that features can have this dtype in `operation`: bf16, f32 or f64.
    ///
    /// # Errors
    /// [`Error::DType`] for any other dtype.
    pub fn require_feature(self, operation: &'static str) -> Result<()> {
        match self {
            DType::BF16 | DType::F32 | DType::F64 => Ok(()),
            found => Err(Error::DType { operation, found, wanted: FEATURES }),
        }
    }

    /// Its name: `u8`, `bf16`, `f32` or `f64`.
    pub fn name(self) -> &'static str {
        match self {
            DType::U8 => "u8",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }
}

/// The dtypes of [features](Feature), for messages.
#[doc(hidden)]
pub const FEATURES: &str = "bf16, f32 or f64";

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type of tensor elements.
pub trait Element: bytemuck::Pod + PartialOrd + fmt::Debug + Send + Sync {
    /// The corresponding dtype.
    const DTYPE: DType;
}

impl Element for u8 {
    const DTYPE: DType = DType::U8;
}

impl Element for half::bf16 {
    const DTYPE: DType = DType::BF16;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}

impl Element for f64 {
    const DTYPE: DType = DType::F64;
}

/// `bf16`, `f32` or `f64`: an element type of features, which CPU kernels read and write. They compute
/// in the accumulator.
pub trait Feature: Element + Default {
    /// The Rust type of the [accumulator dtype](DType::accumulator).
    type Acc: Float;
    /// Converts to the accumulator, exactly.
    fn widen(self) -> Self::Acc;
    /// Rounds to the nearest value. A `bf16` that is closer to 0 than any normal `f32` is 0, as for the
    /// instructions that multiply `bf16` on x86-64.
    fn narrow(x: Self::Acc) -> Self;
    /// Converts to `f64`, exactly.
    fn to_f64(self) -> f64;
    /// Rounds `x` to the nearest value; for `bf16`, to `f32` first.
    fn from_f64(x: f64) -> Self;
}

impl Feature for half::bf16 {
    type Acc = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// Without branches, so that loops become vector instructions.
    #[inline(always)]
    fn narrow(x: f32) -> Self {
        let bits = x.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let quiet = bits >> 16 | 0x40;
        let rounded = if magnitude > 0x7f80_0000 { quiet } else { nearest };
        let rounded = if magnitude < 0x0080_0000 { bits >> 16 & 0x8000 } else { rounded };
        half::bf16::from_bits(rounded as u16)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.widen().into()
    }

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::narrow(x as f32)
    }
}

/// `f32` or `f64`: what CPU kernels compute in.
pub trait Float:
    Feature<Acc = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// `self` to the power of `exponent`.
    fn powf(self, exponent: Self) -> Self;
    /// The larger of two numbers; the other one if one is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers; the other one if one is NaN.
    fn min(self, other: Self) -> Self;
    /// Whether the number is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The largest integer that is not greater.
    fn floor(self) -> Self;
}

// The two implementations differ only in the type.
macro_rules! float {
    ($type:ty: $($method:ident($($argument:ident),*) -> $result:ty;)*) => {
        impl Feature for $type {
            type Acc = Self;
            #[inline(always)]
            fn widen(self) -> Self {
                self
            }
            #[inline(always)]
            fn narrow(x: Self) -> Self {
                x
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
        }

        impl Float for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            $(
                #[inline(always)]
                fn $method(self, $($argument: Self),*) -> $result {
                    <$type>::$method(self, $($argument),*)
                }
            )*
        }
    };
    ($($type:ty),*) => {
        $(float! {
            $type:
            mul_add(a, b) -> Self;
            sqrt() -> Self;
            exp() -> Self;
            ln() -> Self;
            tanh() -> Self;
            powf(exponent) -> Self;
            max(other) -> Self;
            min(other) -> Self;
            is_finite() -> bool;
            floor() -> Self;
        })*
    };
}

float!(f32, f64);

/// Evaluates an expression with `$T` bound to the Rust type of `$dtype`, f32 or f64. Any other dtype
/// is an [`Error::DType`](crate::Error::DType) of `$operation`.
///
/// ```
/// # use tensor::{DType, Float, Result, with_float};
/// fn bytes(dtype: DType) -> Result<usize> {
///     with_float!("bytes", dtype, T => Ok(size_of::<T>()))
/// }
/// assert_eq!(bytes(DType::F64).unwrap(), 8);
/// assert!(bytes(DType::U8).is_err());
/// ```
#[macro_export]
macro_rules! with_float {
    ($operation:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            found => {
                Err($crate::Error::DType { operation: $operation, found, wanted: "f32 or f64" })
            }
        }
    };
}

/// Dispatches on the device of a tensor. On a GPU it evaluates the first expression, with `$gpu` bound
/// to a `&dyn Gpu`; on the CPU the second, with `$T` bound to the Rust type of the tensor's dtype. A
/// dtype other than f32 and f64 is an [`Error::DType`](crate::Error::DType) of `$operation`.
///
/// Expands to a use of `?`, so the calling function must return a [`Result`](crate::Result).
///
/// ```
/// # use tensor::{Float, Result, Tensor, with_device};
/// fn doubled(x: &Tensor) -> Result<Tensor> {
///     with_device!("doubled", x, gpu => Ok(doubled_on(gpu)), T => {
///         Ok(Tensor::build::<T>(x.shape(), |out| {
///             out.iter_mut().zip(x.data::<T>()).for_each(|(out, &x)| *out = x + x);
///         }))
///     })
/// }
/// # fn doubled_on(_: &dyn tensor::Gpu) -> Tensor { unreachable!() }
/// assert_eq!(doubled(&Tensor::scalar(2.0f32)).unwrap().item().unwrap(), 4.0);
/// ```
#[macro_export]
macro_rules! with_device {
    ($operation:expr, $tensor:expr, $gpu:ident => $on_gpu:expr, $T:ident => $on_host:expr) => {
        match $tensor.gpu() {
            Some(gpu) => {
                $tensor.dtype().require_float($operation)?;
                let $gpu = &*gpu;
                $on_gpu
            }
            None => $crate::with_float!($operation, $tensor.dtype(), $T => $on_host),
        }
    };
}

/// Evaluates an expression with `$T` bound to the Rust type of `$dtype`: bf16, f32 or f64, a
/// [`Feature`](crate::Feature). Any other dtype is an [`Error::DType`](crate::Error::DType) of
/// `$operation`.
#[macro_export]
macro_rules! with_feature {
    ($operation:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::BF16 => {
                type $T = $crate::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            found => {
                Err($crate::Error::DType { operation: $operation, found, wanted: $crate::FEATURES })
            }
        }
    };
}

/// As [`with_device!`](crate::with_device), for operations on features: they also accept bf16.
#[macro_export]
macro_rules! with_features {
    ($operation:expr, $tensor:expr, $gpu:ident => $on_gpu:expr, $T:ident => $on_host:expr) => {
        match $tensor.gpu() {
            Some(gpu) => {
                $tensor.dtype().require_feature($operation)?;
                let $gpu = &*gpu;
                $on_gpu
            }
            None => $crate::with_feature!($operation, $tensor.dtype(), $T => $on_host),
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    /// Every value of 16 bits and its neighbours: ties, overflow to infinity, NaN.
    #[test]
    fn bf16_is_rounded_to_the_nearest_and_subnormals_are_zero() {
        for high in 0..=u16::MAX {
            for low in [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(high) << 16 | low);
                let found = <bf16 as Feature>::narrow(x);
                if x.is_nan() {
                    assert!(found.is_nan());
                    continue;
                }
                let normal = if x.is_subnormal() { 0.0f32.copysign(x) } else { x };
                assert_eq!(found.to_bits(), bf16::from_f32(normal).to_bits(), "{x:e}");
            }
            let x = bf16::from_bits(high);
            assert_eq!(x.widen().to_bits(), u32::from(high) << 16);
        }
    }
}
