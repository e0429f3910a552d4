//! Every numerical operation, one room each.
//!
//! A room holds all there is to know of its operation: the differentiable function with forward
//! and backward side by side (`mod.rs`), the CPU kernel (`cpu.rs`) and the shapes on which every
//! suite runs (`check.rs`). Images are channels-last, `[batch, rows, columns, channels]`.

pub mod check;
pub mod intensity;
pub mod resample;
pub mod simd;

use check::Operation;

/// Every operation, with its checks. A test compares this list with the folders.
pub fn registry() -> &'static [Operation] {
    &[
        Operation {
            name: "intensity",
            awkward: intensity::check::awkward,
            random: intensity::check::random,
        },
        Operation {
            name: "resample",
            awkward: resample::check::awkward,
            random: resample::check::random,
        },
    ]
}
