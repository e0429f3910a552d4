//! Why a value is refused, in words for the user.

use serde_json::Value;

use crate::keys;

/// Why a setting does not take a value, given its current one. Replaces the error of the
/// deserialiser, which names Rust types.
pub(crate) fn refusal(current: &Value, error: &serde_json::Error) -> String {
    let error = error.to_string();
    // An untagged enum: takes a number or a name.
    if error.starts_with("data did not match any variant") {
        return "takes no such value".into();
    }
    takes(current).unwrap_or(error)
}

/// What a setting takes, judged by its current value; `None` if that does not show it.
fn takes(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) => Some("takes true or false".into()),
        Value::Number(number) if number.is_f64() => {
            Some(format!("takes a number, such as {number}"))
        }
        Value::Number(number) => {
            Some(format!("takes a whole number, 0 or above, such as {number}"))
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_number) => {
            let listed: Vec<String> = items.iter().map(Value::to_string).collect();
            Some(format!("takes numbers, such as {}", listed.join(",")))
        }
        _ => None,
    }
}

/// The description of the setting that a key is, or is part of.
pub(crate) fn meaning(key: &str) -> Option<String> {
    let covers =
        |path: &str| key.strip_prefix(path).is_some_and(|r| r.is_empty() || r.starts_with('.'));
    keys().into_iter().find(|k| covers(&k.path)).map(|k| k.meaning)
}
