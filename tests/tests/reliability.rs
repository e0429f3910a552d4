//! Every promise of `docs/reliability.md` names a test, and the test exists.

use std::path::{Path, PathBuf};

/// The sources of a crate as the page names it: a folder of `ssp`, or one at the top.
fn sources(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("ssp").join(name), root.join(name)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.extension().and_then(|end| end.to_str()) {
                Some("rs") => found.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn every_promise_is_kept_by_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains("::"));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let tests: Vec<(&str, &str)> = names.filter_map(|name| name.split_once("::")).collect();
    assert!(tests.len() > 40, "the page has a table of promises");
    for (name, test) in tests {
        let declared = format!("fn {test}(");
        let has = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains(&declared);
        assert!(sources(root, name).iter().any(has), "there is no test {name}::{test}");
    }
}
