//! Every numerical operation, each in a module of its own.
//!
//! A module holds the differentiable function with forward and backward side by side (`mod.rs`),
//! the CPU kernel (`cpu.rs`), the CUDA kernels and their launches (`.cu` and `cuda.rs`), and the
//! cases that every test suite runs (`check.rs`). Images are channels-last,
//! `[batch, rows, columns, channels]`.
//!
//! What a network of one's own is made of is at the root of the crate. Operations are functions that
//! return a [`Result`](tensor::Result): shapes and devices are known only at run time, and a GPU can
//! fail at any of them. There are therefore no operators such as `a + b`, which could only panic.
//!
//! ```
//! use kernels::{add, matmul, mean, mul, relu, sub};
//! use tensor::{Result, Tensor};
//!
//! fn loss(x: &Tensor, y: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
//!     let found = relu(&add(&matmul(x, weight)?, bias)?)?;
//!     let error = sub(&found, y)?;
//!     mean(&mul(&error, &error)?)
//! }
//!
//! # fn main() -> Result<()> {
//! let (x, y) = (Tensor::zeros::<f32>([16, 3]), Tensor::zeros::<f32>([16, 2]));
//! let weight = Tensor::zeros::<f32>([3, 2]).parameter();
//! let bias = Tensor::from_slice(&[1.0f32, -1.0], [2])?.parameter();
//! let gradients = loss(&x, &y, &weight, &bias)?.backward()?;
//! assert_eq!(gradients.get(&bias).unwrap().data::<f32>(), [1.0, 0.0]);
//! # Ok(())
//! # }
//! ```
//!
//! An operation can also be added from outside: one of a single element by
//! [`pointwise!`](crate::pointwise!), any other with [`Tensor::recorded`](tensor::Tensor::recorded);
//! [`check`] compares its gradients with finite differences. `examples/custom_operation.rs` does both.

pub mod batch_norm;
pub mod broadcast;
pub mod cast;
pub mod check;
pub mod concat;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod dice_ce;
pub mod dino_loss;
pub mod expand;
mod exponential;
mod gpu;
mod inner;
pub mod intensity;
pub mod l2_normalise;
pub mod linear;
pub mod masked_error;
pub mod matmul;
mod matrix;
pub mod moving_average;
pub mod nt_xent;
pub mod patch_mask;
pub mod permute;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod resample;
pub mod reshape;
pub mod sgd;
pub mod simd;
pub mod softmax;
mod strided;
pub mod sum_axes;
mod taps;
pub mod views;
pub mod weight_norm;

use std::sync::LazyLock;

pub use broadcast::{add, div, mul, sub};
pub use concat::concat;
pub use conv2d::conv2d;
pub use expand::expand;
pub use linear::linear;
pub use matmul::matmul;
pub use permute::{permute, transpose};
pub use pointwise::{affine, exp, gelu, leaky_relu, log, relu, sigmoid, silu, sqrt, tanh};
pub use reduce::{mean, sum};
pub use reshape::reshape;
pub use softmax::softmax;
pub use sum_axes::{mean_axes, sum_axes};

use check::Operation;
use tensor::DType;
use tensor::gpu::{Program, sum_program};

/// For the macros of this crate.
#[doc(hidden)]
pub use tensor;

/// An operation and its checks, found in the module of its name. Its CUDA programs are those of the
/// module's `cuda.rs`, unless others are given.
macro_rules! operation {
    ($name:ident $(, $($options:tt)*)?) => {
        operation!($name: $name::cuda::programs $(, $($options)*)?)
    };
    ($name:ident: $programs:expr $(, $option:ident $(($argument:expr))?)*) => {
        Operation::new(stringify!($name), $name::check::awkward, $name::check::random)
            .on_gpu($programs)
            $(.$option($($argument)?))*
    };
}

/// Every operation with a module of its own, in alphabetical order.
const OPERATIONS: &[Operation] = &[
    operation!(batch_norm, mixed),
    operation!(broadcast: expand::programs, mixed),
    operation!(cast, mixed),
    operation!(concat, mixed),
    operation!(conv2d, mixed, with_large(conv2d::check::large)),
    operation!(conv_transpose2d, mixed, with_large(conv_transpose2d::check::large)),
    operation!(dice_ce, mixed),
    operation!(dino_loss),
    operation!(expand: expand::programs, mixed, with_large(expand::check::large)),
    operation!(intensity),
    operation!(l2_normalise, mixed),
    operation!(linear, mixed, with_large(linear::check::large)),
    operation!(masked_error, mixed),
    operation!(matmul: matmul::programs, mixed, with_large(matmul::check::large)),
    operation!(moving_average),
    operation!(nt_xent),
    operation!(patch_mask, mixed),
    operation!(permute: strided::cuda::programs, mixed, with_large(permute::check::large)),
    operation!(pool, mixed),
    operation!(reduce),
    operation!(resample),
    operation!(reshape: |_| vec![], mixed),
    operation!(sgd),
    operation!(softmax),
    operation!(sum_axes, mixed, with_large(sum_axes::check::large)),
    operation!(views),
    operation!(weight_norm),
];

/// Every operation with its checks: those with a module of their own and those of the
/// [table of pointwise functions](pointwise::FUNCTIONS). A test compares the modules with the
/// folders of this crate.
pub fn registry() -> &'static [Operation] {
    static REGISTRY: LazyLock<Vec<Operation>> = LazyLock::new(|| {
        let pointwise = pointwise::FUNCTIONS.iter().map(|function| function.operation);
        OPERATIONS.iter().copied().chain(pointwise).collect()
    });
    &REGISTRY
}

/// Every CUDA program that is launched on features of `dtype`, including the tape's own.
pub fn programs(dtype: DType) -> Vec<Program> {
    let supported = registry().iter().filter(|o| o.mixed || dtype != DType::BF16);
    let of_operations = supported.filter_map(|operation| operation.programs);
    let mut programs = vec![sum_program(dtype)];
    programs.extend(of_operations.flat_map(|programs| programs(dtype)));
    programs
}
