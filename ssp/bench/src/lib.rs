//! How fast it is: one optimiser step of a task ([`steps`]), and each operation on the shapes of a
//! network ([`operations`]), beside what the hardware can do and what PyTorch does.

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
