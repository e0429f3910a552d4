//! Every numerical operation, each in a module of its own.
//!
//! A module holds the differentiable function with forward and backward side by side (`mod.rs`),
//! the CPU kernel (`cpu.rs`), the CUDA kernels and their launches (`.cu` and `cuda.rs`), and the
//! cases that every test suite runs (`check.rs`). Images are channels-last,
//! `[batch, rows, columns, channels]`.

pub mod batch_norm;
pub mod cast;
pub mod check;
pub mod concat;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod dice_ce;
pub mod dino_loss;
mod exponential;
mod gpu;
mod inner;
pub mod intensity;
pub mod l2_normalise;
pub mod linear;
pub mod masked_error;
mod matrix;
pub mod moving_average;
pub mod nt_xent;
pub mod patch_mask;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod resample;
pub mod sgd;
pub mod simd;
pub mod softmax;
mod taps;
pub mod views;
pub mod weight_norm;

use std::sync::LazyLock;

use check::Operation;
use tensor::DType;
use tensor::gpu::{Program, sum_program};

/// For the macros of this crate.
#[doc(hidden)]
pub use tensor;

/// An operation and its checks, found in the module of its name.
macro_rules! operation {
    ($name:ident $(, $option:ident $(($argument:expr))?)*) => {
        Operation::new(stringify!($name), $name::check::awkward, $name::check::random)
            .on_gpu($name::cuda::programs)
            $(.$option($($argument)?))*
    };
}

/// Every operation with a module of its own, in alphabetical order.
const OPERATIONS: &[Operation] = &[
    operation!(batch_norm, mixed),
    operation!(cast, mixed),
    operation!(concat, mixed),
    operation!(conv2d, mixed, with_large(conv2d::check::large)),
    operation!(conv_transpose2d, mixed, with_large(conv_transpose2d::check::large)),
    operation!(dice_ce, mixed),
    operation!(dino_loss),
    operation!(intensity),
    operation!(l2_normalise, mixed),
    operation!(linear, mixed, with_large(linear::check::large)),
    operation!(masked_error, mixed),
    operation!(moving_average),
    operation!(nt_xent),
    operation!(patch_mask, mixed),
    operation!(pool, mixed),
    operation!(reduce),
    operation!(resample),
    operation!(sgd),
    operation!(softmax),
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
