//! Benchmarks: one optimiser step of a task ([`Bench`]), and every operation on the shapes of a network
//! ([`operations`]), compared with measured hardware limits and with PyTorch.

mod case;
mod cases;
mod ceilings;
mod clock;
pub mod operations;
mod peer;
mod shapes;
mod steps;
mod table;

pub use case::Dtypes;
pub use clock::Pace;
pub use common::{Error, Result};
pub use shapes::Network;
pub use steps::{Bench, BenchTask, Timing};
