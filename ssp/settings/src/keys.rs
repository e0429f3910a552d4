//! All keys of the settings with what they mean, from the comments of their fields.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Settings;

/// A key of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its path, such as `finetune.optimisation.epochs`.
    pub path: String,
    /// What it means, in one line.
    pub meaning: String,
}

/// Every key, in the order of the settings.
pub fn keys() -> Vec<Key> {
    let mut generator = SchemaSettings::default().with(|s| s.inline_subschemas = true);
    generator.meta_schema = None;
    let schema = generator.into_generator().into_root_schema_for::<Settings>();
    let mut found = Vec::new();
    collect(schema.as_value(), "", &mut found);
    found
}

/// Gathers the keys below a schema. Parts of the settings are keys of their own; a range or any
/// other list is a value.
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
            found.push(Key { path: path.to_owned(), meaning });
        }
    }
}

/// The fields of a part. What may be absent is a value, and so is a chance with its range.
fn part(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    let properties = schema.get("properties")?.as_object()?;
    (!properties.contains_key("probability")).then_some(properties)
}

#[cfg(test)]
mod tests {
    use super::super::{Method, Preset, assign::leaves};
    use super::*;

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
            }
        }
    }
}
