//! The reader that READER names; see Cargo.toml.

#![no_main]

use std::sync::LazyLock;

use fuzz::READERS;
use libfuzzer_sys::fuzz_target;

static READ: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("READER").expect("set READER to a name of READERS");
    READERS.iter().find(|reader| reader.name == name).expect("a name of READERS").read
});

fuzz_target!(|bytes: &[u8]| READ(bytes));
