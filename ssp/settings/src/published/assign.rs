//! Single published keys: for `--set`, and listed beside the settings.

use common::yaml;
use serde_json::Value;

use super::form::{Context, literal, names};
use super::kind::Kind;
use super::table::{Effect, PUBLISHED_KEYS, PublishedKey, row};
use crate::{Error, Method, Result, tree};

/// The documents of a method: that of pretraining, if there is one, and that of supervised training.
fn documents(method: Method) -> impl Iterator<Item = Kind> {
    Kind::of_method(method).into_iter().chain([Kind::Supervised])
}

/// The setting and value that a published key and its value stand for; `None` if the configurations
/// of the method have no such key.
///
/// # Errors
/// When the key belongs to both stages, has no effect here, or does not take the value.
pub(crate) fn assign(
    method: Method,
    tree: &Value,
    key: &str,
    text: &str,
) -> Result<Option<(String, Value)>> {
    let found: Vec<(Kind, &PublishedKey)> =
        documents(method).filter_map(|kind| row(key, kind).map(|row| (kind, row))).collect();
    let mut settings: Vec<String> =
        found.iter().filter_map(|(kind, row)| row.setting(*kind, method)).collect();
    settings.dedup();
    let refuse = |what: String| Err(Error::Setting(what));
    let Some((_, row)) = found.iter().find(|(kind, row)| row.setting(*kind, method).is_some())
    else {
        let named =
            |(_, row): &&(Kind, &PublishedKey)| matches!(row.means, Effect::Weights | Effect::Data);
        let Some((_, row)) = found.iter().find(named).or(found.first()) else { return Ok(None) };
        return match &row.means {
            Effect::Fixed(takes) if tree::same(&yaml::value(text), &literal(takes)) => refuse(
                format!("{key}={text}: this is the only value, and already set; leave it out"),
            ),
            Effect::Fixed(takes) => refuse(format!("{key}={text}: takes only {takes} here")),
            Effect::Ignored(why, _) => {
                let why = why.map_or(String::new(), |why| format!("; {why}"));
                refuse(format!("{key}={text}: has no effect here{why}"))
            }
            Effect::Weights => refuse(format!("{key} is not for --set; use --weights")),
            _ => refuse(format!("{key} is not for --set; use --data")),
        };
    };
    if settings.len() > 1 {
        let settings = names(settings.iter().map(String::as_str));
        return refuse(format!("{key} belongs to both stages; name one: {settings}"));
    }
    let Effect::Setting(_, form) = &row.means else { return Ok(None) };
    let at = Context { document: None, tree };
    match form.read(yaml::value(text), &at) {
        Ok(Some(value)) => Ok(settings.pop().map(|setting| (setting, value))),
        Ok(None) => Ok(None),
        Err(takes) => refuse(format!("{key}={text}: takes {takes}")),
    }
}

/// Every published key of a method's configurations.
pub(crate) fn all_keys(method: Method) -> Vec<&'static str> {
    let of = |row: &&PublishedKey| documents(method).any(|kind| row.of.contains(&kind));
    PUBLISHED_KEYS.iter().filter(of).map(|row| row.key.as_str()).collect()
}

/// The published keys that set a setting, in the configurations of one method or of all.
pub fn published_keys(path: &str, method: Option<Method>) -> Vec<&'static str> {
    let below = format!("{path}.");
    let methods = method.map_or(Method::ALL.to_vec(), |method| vec![method]);
    let mut found = Vec::new();
    for method in methods {
        for kind in documents(method) {
            for row in PUBLISHED_KEYS.iter().filter(|row| row.of.contains(&kind)) {
                let is = |setting: String| setting == path || setting.starts_with(&below);
                if row.setting(kind, method).is_some_and(is) && !found.contains(&row.key.as_str()) {
                    found.push(row.key.as_str());
                }
            }
        }
    }
    found
}
