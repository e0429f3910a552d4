//! Every reader of files, as a function of bytes. Whatever the bytes are, a reader returns a value or an error of
//! one printable line: it does not panic, does not allocate what a few bytes claim, and ends soon.
//!
//! `cargo test -p cine-fuzz` changes the seeds at random, a few thousand times for each reader. For a search that
//! is guided by coverage, see `guided/`.

mod desk;
mod readers;
pub mod seeds;

pub use readers::{READERS, Reader};
