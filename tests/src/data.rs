//! Files that tests read.

use std::path::{Path, PathBuf};

/// A file or folder below `tests/`. A test that runs on another machine than it was built on finds
/// it in the folder that `CINE_TESTS_DATA` names, or below the working directory; what cargo runs,
/// where cargo says.
pub fn path(relative: &str) -> PathBuf {
    let named = std::env::var_os("CINE_TESTS_DATA").map(PathBuf::from);
    let cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let places = named.into_iter().chain(cargo).chain(["tests".into(), ".".into()]);
    let mut found = places.map(|place| place.join(relative)).filter(|path| path.exists());
    // Where there is nothing, the failure names the place where it was built.
    found.next().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(relative))
}
