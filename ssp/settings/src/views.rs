//! Changes that single views of DINO make to the shared augmentation.

use serde_json::Value;

use crate::tree;

/// The path of the changes, by view.
const VIEWS: &str = "pretrain.dino.";
/// The path of the shared augmentation.
const BASE: &str = "pretrain.augmentation";

/// If `path` is part of a `Chance` that a view does not change yet, such as
/// `pretrain.dino.first.rotation.range`, starts the change with the shared `Chance`. Returns whether it
/// did.
pub(crate) fn begin(tree: &mut Value, path: &str) -> bool {
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
