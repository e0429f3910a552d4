//! Every numerical operation, one room each.
//!
//! A room holds all there is to know of its operation: the differentiable function with forward
//! and backward side by side (`mod.rs`), the CPU kernel (`cpu.rs`) and the shapes on which every
//! suite runs (`check.rs`). Images are channels-last, `[batch, rows, columns, channels]`.

pub mod batch_norm;
pub mod broadcast;
pub mod cast;
pub mod check;
pub mod concat;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod dice_ce;
pub mod dino_loss;
pub mod elementwise;
pub mod expand;
mod exponential;
pub mod gelu;
mod gpu;
mod inner;
pub mod intensity;
pub mod l2_normalise;
pub mod leaky_relu;
pub mod linear;
pub mod masked_error;
pub mod matmul;
mod matrix;
pub mod moving_average;
pub mod nt_xent;
pub mod patch_mask;
pub mod permute;
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

pub use broadcast::{add, mul, sub};
pub use expand::expand;
pub use matmul::matmul;
pub use permute::{permute, transpose};
pub use reshape::reshape;
pub use sum_axes::{mean_axes, sum_axes};

use check::Operation;
use tensor::DType;
use tensor::gpu::{Program, sum_program};

/// Every operation, with its checks. A test compares this list with the folders.
pub fn registry() -> &'static [Operation] {
    const {
        &[
            Operation::new("batch_norm", batch_norm::check::awkward, batch_norm::check::random)
                .on_gpu(batch_norm::cuda::programs)
                .mixed(),
            Operation::new("broadcast", broadcast::check::awkward, broadcast::check::random)
                .on_gpu(broadcast::programs),
            Operation::new("cast", cast::check::awkward, cast::check::random)
                .on_gpu(cast::cuda::programs)
                .mixed(),
            Operation::new("concat", concat::check::awkward, concat::check::random)
                .on_gpu(concat::cuda::programs)
                .mixed(),
            Operation::new("conv2d", conv2d::check::awkward, conv2d::check::random)
                .on_gpu(conv2d::cuda::programs)
                .with_large(conv2d::check::large)
                .mixed(),
            Operation::new(
                "conv_transpose2d",
                conv_transpose2d::check::awkward,
                conv_transpose2d::check::random,
            )
            .on_gpu(conv_transpose2d::cuda::programs)
            .with_large(conv_transpose2d::check::large)
            .mixed(),
            Operation::new("dice_ce", dice_ce::check::awkward, dice_ce::check::random)
                .on_gpu(dice_ce::cuda::programs)
                .mixed(),
            Operation::new("dino_loss", dino_loss::check::awkward, dino_loss::check::random)
                .on_gpu(dino_loss::cuda::programs),
            Operation::new("elementwise", elementwise::check::awkward, elementwise::check::random)
                .on_gpu(elementwise::cuda::programs),
            Operation::new("expand", expand::check::awkward, expand::check::random)
                .on_gpu(expand::programs)
                .with_large(expand::check::large)
                .mixed(),
            Operation::new("gelu", gelu::check::awkward, gelu::check::random)
                .on_gpu(gelu::cuda::programs)
                .mixed(),
            Operation::new("intensity", intensity::check::awkward, intensity::check::random)
                .on_gpu(intensity::cuda::programs),
            Operation::new(
                "l2_normalise",
                l2_normalise::check::awkward,
                l2_normalise::check::random,
            )
            .on_gpu(l2_normalise::cuda::programs)
            .mixed(),
            Operation::new("leaky_relu", leaky_relu::check::awkward, leaky_relu::check::random)
                .on_gpu(leaky_relu::cuda::programs)
                .mixed(),
            Operation::new("linear", linear::check::awkward, linear::check::random)
                .on_gpu(linear::cuda::programs)
                .mixed()
                .with_large(linear::check::large),
            Operation::new(
                "masked_error",
                masked_error::check::awkward,
                masked_error::check::random,
            )
            .on_gpu(masked_error::cuda::programs)
            .mixed(),
            Operation::new("matmul", matmul::check::awkward, matmul::check::random)
                .on_gpu(matmul::programs)
                .with_large(matmul::check::large)
                .mixed(),
            Operation::new(
                "moving_average",
                moving_average::check::awkward,
                moving_average::check::random,
            )
            .on_gpu(moving_average::cuda::programs),
            Operation::new("nt_xent", nt_xent::check::awkward, nt_xent::check::random)
                .on_gpu(nt_xent::cuda::programs),
            Operation::new("patch_mask", patch_mask::check::awkward, patch_mask::check::random)
                .on_gpu(patch_mask::cuda::programs)
                .mixed(),
            Operation::new("permute", permute::check::awkward, permute::check::random)
                .on_gpu(permute::programs)
                .with_large(permute::check::large)
                .mixed(),
            Operation::new("pool", pool::check::awkward, pool::check::random)
                .on_gpu(pool::cuda::programs)
                .mixed(),
            Operation::new("reduce", reduce::check::awkward, reduce::check::random)
                .on_gpu(reduce::cuda::programs),
            // No kernels of its own: nothing is computed.
            Operation::new("reshape", reshape::check::awkward, reshape::check::random)
                .on_gpu(|_| vec![])
                .mixed(),
            Operation::new("resample", resample::check::awkward, resample::check::random)
                .on_gpu(resample::cuda::programs),
            Operation::new("sgd", sgd::check::awkward, sgd::check::random)
                .on_gpu(sgd::cuda::programs),
            Operation::new("softmax", softmax::check::awkward, softmax::check::random)
                .on_gpu(softmax::cuda::programs),
            Operation::new("sum_axes", sum_axes::check::awkward, sum_axes::check::random)
                .on_gpu(sum_axes::cuda::programs)
                .with_large(sum_axes::check::large)
                .mixed(),
            Operation::new("views", views::check::awkward, views::check::random)
                .on_gpu(views::cuda::programs),
            Operation::new("weight_norm", weight_norm::check::awkward, weight_norm::check::random)
                .on_gpu(weight_norm::cuda::programs),
        ]
    }
}

/// Every program for GPUs that is launched on features of a dtype, the tape's own included.
pub fn programs(dtype: DType) -> Vec<Program> {
    let taking = |operation: &&Operation| operation.mixed || dtype != DType::BF16;
    let of_rooms = registry().iter().filter(taking).filter_map(|operation| operation.programs);
    let mut programs = vec![sum_program(dtype)];
    programs.extend(of_rooms.flat_map(|programs| programs(dtype)));
    programs
}
