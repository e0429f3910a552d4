//! DINO's views: what each changes in the augmentation that all have.

use serde_json::Value;

use super::tree;

/// The changes, by view.
const VIEWS: &str = "pretrain.dino.";
/// What they change.
const BASE: &str = "pretrain.augmentation";

/// Where a view does not change a chance yet, and `path` is a part of it such as
/// `pretrain.dino.first.rotation.range`, the change begins as what all views have. Whether it did.
pub(super) fn begin(tree: &mut Value, path: &str) -> bool {
    let Some((change, chance)) = path
        .rsplit_once('.')
        .filter(|(change, part)| {
            change.starts_with(VIEWS) && ["probability", "range"].contains(part)
        })
        .and_then(|(change, _)| Some((change, change.rsplit_once('.')?.1)))
    else {
        return false;
    };
    let begins = tree::get(tree, change).is_some_and(Value::is_null);
    if begins {
        let base = tree::get(tree, &format!("{BASE}.{chance}")).cloned().unwrap_or_default();
        tree::put(tree, change, base);
    }
    begins
}
