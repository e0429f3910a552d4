//! Values at paths of a tree of JSON.

use serde_json::{Map, Value};

use crate::Settings;

/// The value at a path such as `finetune.loss.dice`.
pub(crate) fn get<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |node, key| node.get(key))
}

/// Puts a value at a path, creating the objects above it.
pub(crate) fn put(tree: &mut Value, path: &str, value: Value) {
    let mut node = tree;
    for key in path.split('.') {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        node = &mut node[key];
    }
    *node = value;
}

/// The settings of a tree with a value at `path`: the first of some readings of it that fits, and which one.
/// So `"0.1"` is a number where a number is expected, and 2024 a name where a name is.
///
/// # Errors
/// If none fits, why the first does not.
pub(crate) fn fit(
    tree: &Value,
    path: &str,
    readings: impl IntoIterator<Item = Value>,
) -> Result<(Settings, Value), serde_json::Error> {
    let mut first = None;
    let mut tried: Vec<Value> = Vec::new();
    for reading in readings {
        if tried.contains(&reading) {
            continue;
        }
        let mut changed = tree.clone();
        put(&mut changed, path, reading.clone());
        match serde_json::from_value(changed) {
            Ok(settings) => return Ok((settings, reading)),
            Err(error) => first = first.or(Some(error)),
        }
        tried.push(reading);
    }
    Err(first.unwrap_or_else(|| serde::de::Error::custom("no value")))
}

/// Whether two values are the same to a reader: 1 is 1.0.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (a, b) => a == b,
    }
}
