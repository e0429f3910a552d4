//! Published keys by themselves: for `--set`, and beside those of the house.

use serde_json::Value;

use super::form::{Context, literal, names};
use super::table::{Means, ROWS, Row, row};
use super::{Kind, tree};
use crate::Method;
use crate::{Error, Result};
use common::yaml;

/// The documents of a method's run: that of pretraining, if there is one, and that of supervised
/// training.
fn documents(method: Method) -> impl Iterator<Item = Kind> {
    Kind::of_method(method).into_iter().chain([Kind::Supervised])
}

/// The setting and the value that a published key and its value stand for; none where there is no
/// such key in the configurations of the method.
///
/// # Errors
/// When the key is of both stages, has no effect here, or does not take the value.
pub(crate) fn assign(
    method: Method,
    tree: &Value,
    key: &str,
    text: &str,
) -> Result<Option<(String, Value)>> {
    let found: Vec<(Kind, &Row)> =
        documents(method).filter_map(|kind| row(key, kind).map(|row| (kind, row))).collect();
    let mut houses: Vec<String> =
        found.iter().filter_map(|(kind, row)| row.setting(*kind, method)).collect();
    houses.dedup();
    let refuse = |what: String| Err(Error::Setting(what));
    let Some((_, row)) = found.iter().find(|(kind, row)| row.setting(*kind, method).is_some())
    else {
        let named = |(_, row): &&(Kind, &Row)| matches!(row.means, Means::Weights | Means::Data);
        let Some((_, row)) = found.iter().find(named).or(found.first()) else { return Ok(None) };
        return match &row.means {
            Means::Only(takes) if tree::same(&yaml::value(text), &literal(takes)) => refuse(
                format!("{key}={text}: is so already, and cannot be otherwise; leave it out"),
            ),
            Means::Only(takes) => {
                refuse(format!("{key}={text}: takes {takes}; nothing else is done here"))
            }
            Means::Nothing(why, _) => {
                let why = why.map_or(String::new(), |why| format!("; {why}"));
                refuse(format!("{key}={text}: is of no effect here{why}"))
            }
            Means::Weights => refuse(format!("{key} is not for --set; use --weights")),
            _ => refuse(format!("{key} is not for --set; use --data")),
        };
    };
    if houses.len() > 1 {
        let houses = names(houses.iter().map(String::as_str));
        return refuse(format!("{key} is of both stages; name one, {houses}"));
    }
    let Means::Setting(_, form) = &row.means else { return Ok(None) };
    let at = Context { document: None, tree };
    match form.read(yaml::value(text), &at) {
        Ok(Some(value)) => Ok(houses.pop().map(|house| (house, value))),
        Ok(None) => Ok(None),
        Err(takes) => refuse(format!("{key}={text}: takes {takes}")),
    }
}

/// Every published key of a method's configurations.
pub(crate) fn all_keys(method: Method) -> Vec<&'static str> {
    let of = |row: &&Row| documents(method).any(|kind| row.of.contains(&kind));
    ROWS.iter().filter(of).map(|row| row.key.as_str()).collect()
}

/// The published keys that a setting of the house corresponds to, in the configurations of a
/// method, or of any.
pub fn published_keys(house: &str, method: Option<Method>) -> Vec<&'static str> {
    let below = format!("{house}.");
    let methods = method.map_or(Method::ALL.to_vec(), |method| vec![method]);
    let mut found = Vec::new();
    for method in methods {
        for kind in documents(method) {
            for row in ROWS.iter().filter(|row| row.of.contains(&kind)) {
                let is = |setting: String| setting == house || setting.starts_with(&below);
                if row.setting(kind, method).is_some_and(is) && !found.contains(&row.key.as_str()) {
                    found.push(row.key.as_str());
                }
            }
        }
    }
    found
}
