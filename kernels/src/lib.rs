//! Every numerical operation, one room each.
//!
//! A room holds all there is to know of its operation: the differentiable function with forward
//! and backward side by side (`mod.rs`), the CPU kernel (`cpu.rs`) and the shapes on which every
//! suite runs (`check.rs`). Images are channels-last, `[batch, rows, columns, channels]`.

pub mod batch_norm;
pub mod cast;
pub mod check;
pub mod concat;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod dice_ce;
pub mod dino_loss;
pub mod elementwise;
mod exponential;
pub mod gelu;
mod inner;
pub mod intensity;
pub mod l2_normalise;
pub mod leaky_relu;
pub mod linear;
pub mod masked_error;
mod matrix;
pub mod moving_average;
pub mod nt_xent;
pub mod patch_mask;
pub mod pool;
pub mod reduce;
pub mod resample;
pub mod sgd;
pub mod simd;
pub mod softmax;
mod taps;
pub mod weight_norm;

use check::Operation;
use tensor::DType;
use tensor::gpu::{Program, sum_program};

/// Every operation, with its checks. A test compares this list with the folders.
pub fn registry() -> &'static [Operation] {
    const {
        &[
            Operation::new("batch_norm", batch_norm::check::awkward, batch_norm::check::random),
            Operation::new("cast", cast::check::awkward, cast::check::random),
            Operation::new("concat", concat::check::awkward, concat::check::random),
            Operation::new("conv2d", conv2d::check::awkward, conv2d::check::random),
            Operation::new(
                "conv_transpose2d",
                conv_transpose2d::check::awkward,
                conv_transpose2d::check::random,
            ),
            Operation::new("dice_ce", dice_ce::check::awkward, dice_ce::check::random),
            Operation::new("dino_loss", dino_loss::check::awkward, dino_loss::check::random),
            Operation::new("elementwise", elementwise::check::awkward, elementwise::check::random),
            Operation::new("gelu", gelu::check::awkward, gelu::check::random),
            Operation::new("intensity", intensity::check::awkward, intensity::check::random),
            Operation::new(
                "l2_normalise",
                l2_normalise::check::awkward,
                l2_normalise::check::random,
            ),
            Operation::new("leaky_relu", leaky_relu::check::awkward, leaky_relu::check::random),
            Operation::new("linear", linear::check::awkward, linear::check::random),
            Operation::new(
                "masked_error",
                masked_error::check::awkward,
                masked_error::check::random,
            ),
            Operation::new(
                "moving_average",
                moving_average::check::awkward,
                moving_average::check::random,
            ),
            Operation::new("nt_xent", nt_xent::check::awkward, nt_xent::check::random),
            Operation::new("patch_mask", patch_mask::check::awkward, patch_mask::check::random),
            Operation::new("pool", pool::check::awkward, pool::check::random),
            Operation::new("reduce", reduce::check::awkward, reduce::check::random),
            Operation::new("resample", resample::check::awkward, resample::check::random),
            Operation::new("sgd", sgd::check::awkward, sgd::check::random),
            Operation::new("softmax", softmax::check::awkward, softmax::check::random),
            Operation::new("weight_norm", weight_norm::check::awkward, weight_norm::check::random),
        ]
    }
}

/// Every program that runs on a graphics processor, in the specialisations that the paper's networks
/// ask for. The suite `compile` of `cine-tests` compiles them all.
pub fn programs() -> Vec<Program> {
    [DType::F32, DType::F64].map(sum_program).to_vec()
}
