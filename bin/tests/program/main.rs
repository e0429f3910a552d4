//! The built program, run as a user runs it.

mod config;
mod desk;
mod identity;
mod names;
mod pictures;
mod predict;
mod real;
mod refusals;
mod resume;
mod sizes;
mod sweep;
mod train;
