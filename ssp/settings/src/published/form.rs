//! Conversions between the value of a published key and that of its setting, both ways.

use common::yaml;
use serde_json::{Value, json};

use crate::{Fill, tree};

/// How the value of a published key maps to that of its setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// The same value.
    Same,
    /// Twice the same number for one number, as images are square: `[256, 256]` for 256.
    Twice,
    /// Shifts in pixels of the view itself, whose size is the setting named here. The setting is in
    /// pixels of a view of 256.
    Pixels(&'static str),
    /// The upper end of a range that starts at 0.
    UpTo,
    /// One probability for both axes, or two.
    OneOrTwo,
    /// The number of extra views, for the number of all views.
    Copies,
    /// Words or booleans: pairs of the published word and that of the setting.
    Words(&'static [(&'static str, &'static str)]),
    /// A number, or the name of a fill that is drawn.
    Masking,
    /// One data set or a list of them. An empty setting is written as this text.
    Listed(&'static str),
    /// The same value. A setting without one is written as this text.
    Else(&'static str),
    /// The same value; a setting without one follows another key: its published name and its path.
    AsOther(&'static str, &'static str),
    /// Early stopping is on: patience above 0.
    Stops,
    /// Takes effect while early stopping is on. While it is off, this text is written.
    IfStops(&'static str),
}

/// The other values that a conversion depends on.
pub(super) struct Context<'a> {
    /// The whole document; `None` for a single value.
    pub document: Option<&'a yaml::Node>,
    /// The settings so far.
    pub tree: &'a Value,
}

impl Context<'_> {
    fn given(&self, key: &str) -> Option<Value> {
        self.document.and_then(|document| document.get(key)).map(yaml::Node::value)
    }

    fn number(&self, setting: &str) -> f64 {
        tree::get(self.tree, setting).and_then(Value::as_f64).unwrap_or_default()
    }

    /// Whether early stopping is on. A single value is meant to take effect.
    fn stops(&self) -> bool {
        match self.document {
            None => true,
            Some(_) => self.given(ACTIVE) == Some(Value::Bool(true)),
        }
    }
}

const ACTIVE: &str = "training.early_stopping.active";
const PATIENCE: &str = "training.early_stopping.patience";
const PATIENCE_SETTING: &str = "finetune.patience";

/// The published patience.
const DEFAULT_PATIENCE: u64 = 4;

impl Form {
    /// Converts a published value to that of the setting; `None` if it has no effect. The error
    /// says which values are accepted.
    pub(super) fn read(self, value: Value, at: &Context<'_>) -> Result<Option<Value>, String> {
        // These take numbers or truths only, which may be quoted.
        let value = match self {
            Form::Twice
            | Form::Pixels(_)
            | Form::UpTo
            | Form::OneOrTwo
            | Form::Copies
            | Form::AsOther(..)
            | Form::Stops => yaml::unquoted(&value),
            _ => value,
        };
        let read = match self {
            Form::Same => value,
            Form::Twice => match value.as_array().map(Vec::as_slice) {
                Some([rows, columns]) if tree::same(rows, columns) => rows.clone(),
                _ => return Err("twice the same number, as images are square here".into()),
            },
            Form::Pixels(size) => scaled(&value, 256.0 / at.number(size))?,
            Form::UpTo => json!([0.0, number(&value)?]),
            Form::OneOrTwo => match value {
                value @ Value::Number(_) => json!([value, value]),
                value => value,
            },
            Form::Copies => match value.as_u64() {
                Some(copies) => json!(copies.saturating_add(1)),
                None => return Err("the number of copies beside the first view, from 0".into()),
            },
            Form::Words(words) => {
                let text = yaml::to_flow(&yaml::unquoted(&value));
                match words.iter().find(|(theirs, _)| *theirs == text) {
                    Some((_, ours)) => Value::from(*ours),
                    None => return Err(names(words.iter().map(|(theirs, _)| *theirs))),
                }
            }
            Form::Masking => match value {
                value if yaml::unquoted(&value).is_number() => yaml::unquoted(&value),
                Value::String(name) if Fill::NAMES.contains(&name.as_str()) => Value::String(name),
                _ => return Err(format!("a number, {}", names(Fill::NAMES.into_iter()))),
            },
            Form::Listed(_) => match value {
                value @ Value::String(_) => json!([value]),
                Value::Null => json!([]),
                value => value,
            },
            Form::Else(_) => value,
            Form::AsOther(theirs, setting) => {
                let other = at.given(theirs).or_else(|| tree::get(at.tree, setting).cloned());
                if other.is_some_and(|other| tree::same(&other, &value)) {
                    Value::Null
                } else {
                    value
                }
            }
            Form::Stops => match value {
                Value::Bool(false) => json!(0),
                Value::Bool(true) => at
                    .given(PATIENCE)
                    .or_else(|| tree::get(at.tree, PATIENCE_SETTING).cloned())
                    .filter(|patience| *patience != json!(0))
                    .unwrap_or(json!(DEFAULT_PATIENCE)),
                _ => return Err("True or False".into()),
            },
            Form::IfStops(_) if at.stops() => value,
            Form::IfStops(_) => return Ok(None),
        };
        Ok(Some(read))
    }

    /// Converts the value of the setting to the published one.
    pub(super) fn write(self, value: &Value, at: &Context<'_>) -> Value {
        match self {
            Form::Same | Form::Masking | Form::OneOrTwo => value.clone(),
            Form::Twice => json!([value, value]),
            Form::Pixels(size) => {
                scaled(value, at.number(size) / 256.0).unwrap_or_else(|_| value.clone())
            }
            Form::UpTo => value.get(1).cloned().unwrap_or(Value::Null),
            Form::Copies => json!(value.as_u64().unwrap_or_default().saturating_sub(1)),
            Form::Words(words) => {
                // A value without a published word is written as the first; `write` then adds it below `cine`.
                let found = words.iter().find(|(_, ours)| Some(*ours) == value.as_str());
                literal(found.or(words.first()).map_or("None", |(theirs, _)| theirs))
            }
            Form::Listed(text) if value.as_array().is_none_or(Vec::is_empty) => literal(text),
            Form::Else(text) if value.is_null() => literal(text),
            Form::Listed(_) | Form::Else(_) => value.clone(),
            Form::AsOther(_, setting) if value.is_null() => {
                tree::get(at.tree, setting).cloned().unwrap_or(Value::Null)
            }
            Form::AsOther(..) => value.clone(),
            Form::Stops => json!(at.number(PATIENCE_SETTING) > 0.0),
            Form::IfStops(text) if at.number(PATIENCE_SETTING) == 0.0 => literal(text),
            Form::IfStops(_) => value.clone(),
        }
    }
}

/// Parses a value of the table, one line of YAML.
pub(super) fn literal(text: &str) -> Value {
    yaml::value(text)
}

fn number(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| "a number".into())
}

fn scaled(value: &Value, factor: f64) -> Result<Value, String> {
    match value.as_array().map(Vec::as_slice) {
        Some([low, high]) => Ok(json!([number(low)? * factor, number(high)? * factor])),
        _ => Err("two numbers, the lower first".into()),
    }
}

/// `a, b or c`.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.join(""),
    }
}
