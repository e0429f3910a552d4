//! YAML that Python's readers take for the same: no exponents, `None`, `True`.

use serde_json::{Map, Value};

use super::scalar;

/// A mapping as a document, a blank line between its parts.
pub fn to_text(document: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    for (key, value) in document {
        let mut text = String::new();
        entry(&mut text, 0, key, value);
        parts.push(text);
    }
    parts.join("\n")
}

fn entry(text: &mut String, depth: usize, key: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            *text += &format!("{indent}{key}:\n");
            map.iter().for_each(|(key, value)| entry(text, depth + 1, key, value));
        }
        Value::Array(items) if !items.is_empty() => {
            *text += &format!("{indent}{key}:\n");
            items.iter().for_each(|item| *text += &format!("{indent}- {}\n", flow(item)));
        }
        value => *text += &format!("{indent}{key}: {}\n", flow(value)),
    }
}

/// A value in one line.
pub fn flow(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() => decimal(value),
            _ => number.to_string(),
        },
        Value::String(text) if is_plain(text) => text.clone(),
        // A string of JSON is one of YAML.
        Value::String(text) => Value::from(text.as_str()).to_string(),
        Value::Array(items) => format!("[{}]", list(items.iter().map(flow).collect())),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", list(entries.collect()))
        }
    }
}

/// All digits of a number, with a point.
fn decimal(value: f64) -> String {
    let digits = value.to_string();
    if digits.contains('.') { digits } else { digits + ".0" }
}

/// Whether text is read back as text without quotes.
fn is_plain(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    word && text.chars().all(safe) && scalar::value(text, true).is_string()
        // Python reads 001 as a number.
        && !text.starts_with(|c: char| c.is_ascii_digit())
}
