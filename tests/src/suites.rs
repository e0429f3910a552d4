//! Suites that need more than a Rust toolchain.

use std::io::Write;

/// Says that a suite is left out, why, and what to install for it. That is fine on anyone's machine;
/// where the environment variable `CI` is set, nothing may be left out, and this fails.
///
/// # Panics
/// Where `CI` is set.
pub fn left_out(suite: &str, why: &str, remedy: &str) {
    say(&format!("LEFT OUT: {suite}: {why}. {remedy}"));
    assert!(std::env::var_os("CI").is_none(), "{suite} is left out where CI is set: {why}");
}

/// Prints a line that is seen in any case: what tests print in the usual way is swallowed when they
/// pass.
pub fn say(line: &str) {
    // Nobody to tell it to is no failure.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
