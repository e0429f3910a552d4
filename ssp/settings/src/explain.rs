//! Why a value is refused, in words for the user.

use serde_json::Value;

use crate::keys::{keys, nearest};

/// Why a setting does not take a value written as `text`, given its current one. Replaces the error of
/// the deserialiser, which names Rust types.
pub(crate) fn refusal(current: &Value, text: &str, error: &serde_json::Error) -> String {
    let error = error.to_string();
    if error.starts_with("unknown variant") {
        return one_of(&error);
    }
    // An untagged enum: takes a number or a name.
    if error.starts_with("data did not match any variant") {
        return "takes no such value".into();
    }
    let hint = if current.is_number() { spelling(text) } else { None };
    takes(current).unwrap_or(error) + &hint.unwrap_or_default()
}

/// The words that a setting takes and the nearest, from the error "unknown variant `a`, expected one of `b`,
/// `c`".
fn one_of(error: &str) -> String {
    let mut quoted = error.split('`').skip(1).step_by(2);
    let found = quoted.next().unwrap_or_default();
    let words: Vec<&str> = quoted.collect();
    let nearest = nearest(found, words.iter().copied());
    format!("takes {}; the nearest is {nearest}", words.join(", "))
}

/// How to write a number that is written as some countries and languages do.
fn spelling(text: &str) -> Option<String> {
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let bare = text.trim_matches(['"', '\'']);
    let with_point = bare.replace(',', ".");
    if bare.matches(',').count() == 1 && is_number(&with_point) {
        return Some(format!("; a fraction is written with a point, {with_point}"));
    }
    let together = bare.replace(['_', ' ', '\u{a0}'], "");
    (together != bare && is_number(&together))
        .then(|| format!("; write the number without _ or spaces, {together}"))
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
    keys().iter().find(|k| covers(&k.path)).map(|k| k.meaning.clone())
}
