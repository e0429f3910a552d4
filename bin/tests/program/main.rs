//! The built program, run as a user runs it.

mod desk;
mod predict;
mod real;
mod refusals;
mod resume;
mod train;
