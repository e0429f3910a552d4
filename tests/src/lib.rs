//! Shared helpers of the checks that span crates.
