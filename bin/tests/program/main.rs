//! The built program, run as a user runs it.

mod config;
mod damage;
mod desk;
#[cfg(target_os = "linux")]
mod faults;
mod identity;
mod names;
mod pictures;
mod predict;
mod real;
mod refusals;
mod resume;
#[cfg(target_os = "linux")]
mod signals;
mod sizes;
mod sweep;
mod train;
