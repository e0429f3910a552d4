//! The cases of an operation, one after the other.

use std::cell::RefCell;

use kernels::check::{Case, Operation};
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tensor::Result;
use tensor::random::{Purpose, Stream};

/// Random cases of every operation.
const RANDOM_CASES: u32 = 12;

/// Runs `check` on every awkward and some random cases of an operation.
///
/// # Panics
/// When it fails; the message names operation and case.
pub fn for_every_case(operation: &Operation, check: impl FnMut(&Case, u64) -> Result<()>) {
    let check = RefCell::new(check);
    let run = |case: &Case, seed: u64| {
        if let Err(error) = check.borrow_mut()(case, seed) {
            panic!("{}, {}: {error}", operation.name, case.name);
        }
    };
    for (seed, case) in (operation.awkward)().iter().enumerate() {
        run(case, seed as u64);
    }
    let config = Config {
        cases: RANDOM_CASES,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        max_shrink_iters: 0, // a smaller seed is not a smaller case
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any::<u64>(), |seed| {
        run(&(operation.random)(&mut Stream::new(seed, Purpose::CHECK, 2, 0)), seed);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{}: {error}", operation.name);
    }
}
