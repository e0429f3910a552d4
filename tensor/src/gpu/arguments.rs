//! Kernel arguments: one struct for each kernel, declared in Rust and in CUDA.
//!
//! A kernel takes a single parameter, a struct of pointers, integers and floats. The macro
//! [`kernels!`](crate::kernels) declares the Rust side of every kernel of a source file, and the source
//! file has a `struct` of the same name with the same fields. A [`Program`] that was given the
//! declarations compiles only if the compiler finds the same fields, of the same types, at the same
//! offsets in the CUDA struct, and only launches a kernel with its own struct. What remains for the
//! caller of [`Gpu::launch`](super::Gpu::launch) to guarantee is that memory is as long as the kernel
//! assumes.

use std::fmt;
use std::marker::PhantomData;

use super::layout::{FieldType, Layout};
use super::{Memory, Program};
use crate::{DType, Error, Result, Tensor};

/// A type that kernel pointers point to.
pub trait Pointee {
    /// Its name in CUDA.
    const CUDA: &'static str;

    /// The dtype of tensors with such elements in a program for features of the given dtype; none for
    /// what is not an element of tensors.
    fn dtype(_program: DType) -> Option<DType> {
        None
    }
}

/// Elements of images and features, in the dtype of the program: `Real` in CUDA.
#[derive(Clone, Copy, Debug)]
pub struct Real;

/// Elements of parameters, statistics and losses, in [`DType::accumulator`] of the program's dtype: `Acc` in
/// CUDA.
#[derive(Clone, Copy, Debug)]
pub struct Acc;

macro_rules! pointee {
    ($($type:ty, $cuda:literal, $program:ident => $dtype:expr;)*) => {$(
        impl Pointee for $type {
            const CUDA: &'static str = $cuda;
            fn dtype($program: DType) -> Option<DType> {
                $dtype
            }
        }
    )*};
}

pointee! {
    Real, "Real", program => Some(program);
    Acc, "Acc", program => Some(program.accumulator());
    f64, "double", _program => Some(DType::F64);
    f32, "float", _program => Some(DType::F32);
    u8, "unsigned char", _program => Some(DType::U8);
    i32, "int", _program => None;
    u32, "unsigned", _program => None;
}

/// A pointer to memory that the kernel reads, `const T*` in CUDA. The memory stays borrowed until the
/// kernel is launched.
#[repr(transparent)]
pub struct In<'a, T>(u64, PhantomData<&'a T>);

/// A pointer to memory that the kernel writes and may read, `T*` in CUDA. The memory stays borrowed
/// until the kernel is launched, so that no other argument can point to it.
#[repr(transparent)]
pub struct Out<'a, T>(u64, PhantomData<&'a mut T>);

impl<T> fmt::Debug for In<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl<T> fmt::Debug for Out<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

impl<T> In<'_, T> {
    /// The null pointer, for kernels that can do without.
    pub const NULL: Self = In(0, PhantomData);
}

impl<T> Out<'_, T> {
    /// The null pointer, for kernels that can do without.
    pub const NULL: Self = Out(0, PhantomData);
}

impl<'a, T> In<'a, T> {
    /// A pointer into memory whose content the caller knows, `offset` bytes from its start.
    ///
    /// # Panics
    /// When `offset` is beyond the end.
    pub fn within(memory: &'a Memory, offset: usize) -> Self {
        assert!(offset <= memory.bytes(), "byte {offset} of {}", memory.bytes());
        In(memory.address().0 + offset as u64, PhantomData)
    }

    /// A pointer to the elements of a tensor whose dtype the kernel finds out by itself.
    ///
    /// # Errors
    /// When the tensor is deferred and the device fails.
    pub fn of_any_dtype(tensor: &'a Tensor) -> Result<Self> {
        Ok(In(tensor.address()?.0, PhantomData))
    }
}

impl<'a, T> Out<'a, T> {
    /// A pointer to memory whose content the kernel defines.
    pub fn whole(memory: &'a mut Memory) -> Self {
        Out(memory.address().0, PhantomData)
    }
}

/// Pointers to the elements of tensors, whose dtypes must be those that the program's kernels expect.
impl Program {
    /// The elements of a tensor. A deferred value is computed now, and kept.
    ///
    /// # Errors
    /// When the tensor is of another dtype, or is deferred and the device fails.
    pub fn input<'a, T: Pointee>(&self, tensor: &'a Tensor) -> Result<In<'a, T>> {
        self.check_dtype::<T>(tensor)?;
        Ok(In(tensor.address()?.0, PhantomData))
    }

    /// The elements of a tensor, or null.
    ///
    /// # Errors
    /// As for [`input`](Self::input).
    pub fn optional_input<'a, T: Pointee>(&self, tensor: Option<&'a Tensor>) -> Result<In<'a, T>> {
        tensor.map_or(Ok(In::NULL), |tensor| self.input(tensor))
    }

    /// The elements of a tensor from the one at `first` on.
    ///
    /// # Errors
    /// As for [`input`](Self::input).
    ///
    /// # Panics
    /// When the tensor has fewer elements.
    pub fn input_from<'a, T: Pointee>(
        &self,
        tensor: &'a Tensor,
        first: usize,
    ) -> Result<In<'a, T>> {
        assert!(first <= tensor.shape().elements(), "element {first} of {}", tensor.shape());
        let In(start, borrow) = self.input::<T>(tensor)?;
        Ok(In(start + (first * tensor.dtype().bytes()) as u64, borrow))
    }

    /// The elements of a tensor, to be written. Memory that is shared with other tensors is copied
    /// first, so that they keep their values.
    ///
    /// # Errors
    /// When the tensor is of another dtype, or a copy is needed and the device has no memory left.
    pub fn output<'a, T: Pointee>(&self, tensor: &'a mut Tensor) -> Result<Out<'a, T>> {
        self.check_dtype::<T>(tensor)?;
        Ok(Out(tensor.memory_mut()?.address().0, PhantomData))
    }

    /// The elements of a tensor from the one at `first` on, to be written.
    ///
    /// # Errors
    /// As for [`output`](Self::output).
    ///
    /// # Panics
    /// When the tensor has fewer elements.
    pub fn output_from<'a, T: Pointee>(
        &self,
        tensor: &'a mut Tensor,
        first: usize,
    ) -> Result<Out<'a, T>> {
        assert!(first <= tensor.shape().elements(), "element {first} of {}", tensor.shape());
        let skipped = (first * tensor.dtype().bytes()) as u64;
        let Out(start, borrow) = self.output::<T>(tensor)?;
        Ok(Out(start + skipped, borrow))
    }

    /// The elements of a tensor, to be written, or null.
    ///
    /// # Errors
    /// As for [`output`](Self::output).
    pub fn optional_output<'a, T: Pointee>(
        &self,
        tensor: Option<&'a mut Tensor>,
    ) -> Result<Out<'a, T>> {
        tensor.map_or(Ok(Out::NULL), |tensor| self.output(tensor))
    }

    fn check_dtype<T: Pointee>(&self, tensor: &Tensor) -> Result<()> {
        let (found, operation) = (tensor.dtype(), self.path());
        match T::dtype(self.dtype) {
            Some(wanted) if wanted == found => Ok(()),
            wanted => {
                let wanted = wanted.map_or("no tensor", DType::name);
                Err(Error::DType { operation, found, wanted })
            }
        }
    }
}

/// A type that a field of kernel arguments can have.
///
/// # Safety
/// A value is whole words of 8 bytes without padding, laid out as the CUDA type that `TYPE` names.
pub unsafe trait KernelField {
    /// The type in CUDA.
    const TYPE: FieldType;
}

// SAFETY: an address.
unsafe impl<T: Pointee> KernelField for In<'_, T> {
    const TYPE: FieldType = FieldType::Pointer { to: T::CUDA, written: false };
}

// SAFETY: an address.
unsafe impl<T: Pointee> KernelField for Out<'_, T> {
    const TYPE: FieldType = FieldType::Pointer { to: T::CUDA, written: true };
}

// SAFETY: `long long` has 64 bits.
unsafe impl KernelField for i64 {
    const TYPE: FieldType = FieldType::Integer;
}

// SAFETY: extents of memory are below 2^63, where both types have the same bits. Other widths than 64
// bits do not compile: see `kernel_struct!`.
unsafe impl KernelField for usize {
    const TYPE: FieldType = FieldType::Integer;
}

// SAFETY: as `usize`, one after another.
unsafe impl<const N: usize> KernelField for [usize; N] {
    const TYPE: FieldType = FieldType::Integers(N);
}

// SAFETY: `double` is IEEE float64.
unsafe impl KernelField for f64 {
    const TYPE: FieldType = FieldType::Float;
}

/// What a kernel is launched with: a struct that [`kernels!`](crate::kernels) declared.
///
/// # Safety
/// [`bytes`](Self::bytes) are those of a value of [`layout`](Self::layout).
pub unsafe trait KernelArguments {
    /// The fields of the struct.
    fn layout(&self) -> &'static Layout;

    /// Its value.
    fn bytes(&self) -> &[u8];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kernel_struct, kernels};

    kernels! {
        /// Made-up kernels.
        const KERNELS;

        one, other => struct Both<'a> {
            x: In<'a, Real>,
            part: Part<'a>,
            count: usize,
        }
    }

    kernel_struct! {
        struct Part<'a> {
            y: Out<'a, Acc>,
            scale: f64,
            extents: [usize; 2],
        }
    }

    #[test]
    fn a_struct_is_described_word_by_word() {
        let mut words = Vec::new();
        Both::LAYOUT
            .each_word(&mut |name, kind, offset| words.push(format!("{offset} {kind} {name}")));
        let expected = [
            "0 const Real* x",
            "8 Acc* part.y",
            "16 double part.scale",
            "24 long long[2] part.extents",
            "40 long long count",
        ];
        assert_eq!(words, expected);
        assert_eq!(KERNELS.iter().map(|kernel| kernel.name).collect::<Vec<_>>(), ["one", "other"]);
    }

    #[test]
    fn bytes_are_the_fields_in_order() {
        let part = Part { y: Out::NULL, scale: 1.5, extents: [3, 4] };
        let both = Both { x: In::NULL, part, count: 7 };
        let words: Vec<u64> = bytemuck::pod_collect_to_vec(both.bytes());
        assert_eq!(words, [0, 0, 1.5f64.to_bits(), 3, 4, 7]);
    }

    #[test]
    fn a_tensor_of_another_dtype_is_refused() {
        let program = Program::new(&[], DType::BF16);
        let mut tensor = Tensor::zeros::<f32>([3]);
        let refused = program.input::<Real>(&tensor).unwrap_err().to_string();
        assert!(refused.contains("f32") && refused.contains("bf16"), "{refused}");
        assert!(program.output::<f64>(&mut tensor).is_err());
        assert!(program.input::<u32>(&tensor).is_err(), "tensors have no such elements");
    }
}
