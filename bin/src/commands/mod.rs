//! The subcommands, one per module: each parses its options, calls the library and prints.

pub mod bench;
pub mod config;
pub mod data;
pub mod evaluate;
pub mod predict;
pub mod sweep;
pub mod train;
