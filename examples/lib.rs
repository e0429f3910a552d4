//! The examples are in `*.rs` beside this file. Run one with `cargo run --release --example NAME`.
