//! Every numerical operation, one room each.
//!
//! A room holds all there is to know of its operation: the differentiable function with forward
//! and backward side by side (`mod.rs`), the CPU kernel (`cpu.rs`) and the shapes on which every
//! suite runs (`check.rs`). Images are channels-last, `[batch, rows, columns, channels]`.

pub mod batch_norm;
pub mod check;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod simd;
mod taps;

use check::Operation;

/// Every operation, with its checks. A test compares this list with the folders.
pub fn registry() -> &'static [Operation] {
    const OPERATIONS: &[Operation] = &[
        Operation {
            name: "batch_norm",
            awkward: batch_norm::check::awkward,
            random: batch_norm::check::random,
        },
        Operation {
            name: "conv2d",
            awkward: conv2d::check::awkward,
            random: conv2d::check::random,
        },
        Operation {
            name: "conv_transpose2d",
            awkward: conv_transpose2d::check::awkward,
            random: conv_transpose2d::check::random,
        },
    ];
    OPERATIONS
}
