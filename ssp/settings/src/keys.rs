//! All keys of the settings with their descriptions, taken from the doc comments of the fields.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;
use strsim::levenshtein;

use crate::{Settings, limits};

/// A key of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its path, such as `finetune.optimisation.epochs`.
    pub path: String,
    /// Its description, in one line.
    pub meaning: String,
    /// The lowest and highest number that it takes, of a list for each; none if it takes no numbers, or any.
    pub range: Option<[f64; 2]>,
}

/// Every key, in the order of the settings.
pub fn keys() -> &'static [Key] {
    // The schema takes long to make.
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(all_keys);
    &KEYS
}

fn all_keys() -> Vec<Key> {
    let mut generator = SchemaSettings::default().with(|s| s.inline_subschemas = true);
    generator.meta_schema = None;
    let schema = generator.into_generator().into_root_schema_for::<Settings>();
    let mut found = Vec::new();
    collect(schema.as_value(), "", &mut found);
    found
}

/// Collects the keys below a schema. Nested settings have keys of their own; a list is one value.
fn collect(schema: &Value, path: &str, found: &mut Vec<Key>) {
    match part(schema) {
        Some(properties) => {
            for (name, property) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(property, &path, found);
            }
        }
        None => {
            let meaning = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
            let chance = schema.to_string().contains("\"probability\"");
            let range = limits::of(&if chance { format!("{path}.range") } else { path.to_owned() });
            let range = range.filter(|_| takes_numbers(schema));
            found.push(Key { path: path.to_owned(), meaning, range });
        }
    }
}

/// The fields of nested settings; `None` for a value. An optional setting is a value, and so is a
/// `Chance` with its range.
fn part(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    let properties = schema.get("properties")?.as_object()?;
    (!properties.contains_key("probability")).then_some(properties)
}

/// Whether a schema takes numbers, or lists or ranges of them.
fn takes_numbers(schema: &Value) -> bool {
    match schema {
        Value::String(word) => word == "number" || word == "integer",
        Value::Array(items) => items.iter().any(takes_numbers),
        Value::Object(map) => map.values().any(takes_numbers),
        _ => false,
    }
}

/// The paths of all values in a tree. A list is one value.
pub(crate) fn leaves(tree: &Value) -> Vec<String> {
    let Value::Object(map) = tree else { return vec![String::new()] };
    let mut paths = Vec::new();
    for (key, value) in map {
        for rest in leaves(value) {
            paths.push(if rest.is_empty() { key.clone() } else { format!("{key}.{rest}") });
        }
    }
    paths
}

/// The key most similar to an unknown one, by Levenshtein distance. The last part of a path counts
/// most: it is the part that is rarely left out.
pub(crate) fn nearest<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> &'a str {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |k: &&str| 5 * levenshtein(&last(k), &last(key)) + levenshtein(k, key);
    keys.min_by_key(distance).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Preset};

    #[test]
    fn every_key_is_listed_and_says_what_it_means() {
        let keys = keys();
        for method in Method::ALL {
            let tree = Settings::preset(Preset::Paper, method).to_value().unwrap();
            for leaf in leaves(&tree) {
                let listed =
                    |key: &&Key| key.path == leaf || leaf.starts_with(&format!("{}.", key.path));
                let key = keys.iter().find(listed).unwrap_or_else(|| panic!("{leaf} is missing"));
                assert!(key.meaning.ends_with('.'), "{}: {:?}", key.path, key.meaning);
                let has_range = !["seed", "flip", "solarise"].iter().any(|end| leaf.ends_with(end));
                let value = crate::tree::get(&tree, &leaf).unwrap();
                assert!(!value.is_number() || key.range.is_some() == has_range, "{leaf}");
            }
        }
    }
}
