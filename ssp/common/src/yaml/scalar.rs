//! What a scalar stands for.

use serde_json::{Number, Value};

/// What a scalar stands for.
pub(super) fn value(text: &str, plain: bool) -> Value {
    match text {
        "None" | "none" => Value::Null,
        text if plain => unquoted(text),
        text => Value::String(text.to_owned()),
    }
}

fn unquoted(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "True" | "true" | "TRUE" | "yes" | "Yes" | "on" | "On" => Value::Bool(true),
        "False" | "false" | "FALSE" | "no" | "No" | "off" | "Off" => Value::Bool(false),
        text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// A number; not of text such as 001, which names something.
fn number(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['+', '-']);
    let named =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if named || !starts || text.len() > digits.len() + 1 {
        return None;
    }
    let text = text.trim_start_matches('+');
    text.parse::<u64>()
        .map(Number::from)
        .or_else(|_| text.parse::<i64>().map(Number::from))
        .ok()
        .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}
