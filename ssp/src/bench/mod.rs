//! How fast it is: one optimiser step of a task ([`train`]), and each operation on the shapes of a
//! network ([`kernels`]), beside what the hardware can do and what PyTorch does.

mod case;
mod cases;
mod ceilings;
mod clock;
pub mod kernels;
mod peer;
mod shapes;
mod table;
mod train;

pub use case::Dtypes;
pub use clock::Pace;
pub use shapes::Network;
pub use train::{Bench, BenchTask, Timing};
