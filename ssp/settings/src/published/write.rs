//! From settings to documents.

use std::path::Path;

use serde_json::{Map, Value};

use super::form::{Context, literal};
use super::table::{Means, ROWS, Row, VIEWS};
use super::{Configs, Kind, tree};
use crate::Result;
use crate::{Method, Settings, keys};
use common::yaml;

/// The settings as documents.
///
/// What the published keys do not bring back as it is goes below `cine`: the documents are read
/// again without it, and compared.
pub(super) fn write(settings: &Settings) -> Result<String> {
    let wanted = settings.to_value()?;
    let kinds: Vec<Kind> =
        Kind::of_method(settings.method).into_iter().chain([Kind::Supervised]).collect();
    let mut documents: Vec<Value> =
        kinds.iter().map(|&kind| document(&wanted, kind, settings.method)).collect();
    for document in &mut documents {
        // They are not looked for while they are written.
        tree::put(document, "cine.subjects.split", Value::Null);
        tree::put(document, "cine.subjects.labelled_split", Value::Null);
        start(document, settings);
    }
    let plain = Configs::parse(&text(&documents), Path::new("settings"))?;
    let plain = plain.settings(Some(settings.method), None, settings.preset, &[])?;
    let plain = plain.settings.to_value()?;
    for (document, &kind) in documents.iter_mut().zip(&kinds) {
        document["cine"] = Value::Object(Map::new());
        start(document, settings);
        for key in keys() {
            let (ours, theirs) = (tree::get(&wanted, &key.path), tree::get(&plain, &key.path));
            let differs = match key.path.as_str() {
                SPLIT | LABELLED_SPLIT => kept_apart(&key.path, &wanted, kinds.len() == 2),
                _ => ours != theirs,
            };
            if let (true, true, Some(value)) = (differs, concerns(&key.path, kind, &kinds), ours) {
                tree::put(document, &format!("cine.{}", key.path), value.clone());
            }
        }
    }
    Ok(text(&documents))
}

/// What settings start from, which no published key says.
fn start(document: &mut Value, settings: &Settings) {
    tree::put(document, "cine.preset", settings.preset.name().into());
    if settings.method == Method::Scratch {
        tree::put(document, "cine.method", settings.method.name().into());
    }
}

const SPLIT: &str = "subjects.split";
const LABELLED_SPLIT: &str = "subjects.labelled_split";

/// Whether the files' own keys do not say which split is meant. Where there is none, the published
/// one is written, and has to be taken back; only two documents can name two.
fn kept_apart(path: &str, wanted: &Value, two: bool) -> bool {
    let given = tree::get(wanted, path).is_some_and(|value| !value.is_null());
    if path == SPLIT { !given } else { given && !two }
}

/// Whether a setting goes into a document: its own stage's, and what both share.
fn concerns(path: &str, kind: Kind, kinds: &[Kind]) -> bool {
    match path {
        "preset" | "method" => false,
        path if path.starts_with("finetune.") => kind == Kind::Supervised,
        path if path.starts_with("pretrain.") => kinds.first() == Some(&kind),
        _ => true,
    }
}

fn text(documents: &[Value]) -> String {
    let texts: Vec<String> =
        documents.iter().filter_map(Value::as_object).map(yaml::to_text).collect();
    texts.join("\n---\n")
}

/// One document, all published keys in their order.
fn document(wanted: &Value, kind: Kind, method: Method) -> Value {
    let mut document = Value::Object(Map::new());
    for row in ROWS.iter().filter(|row| row.of.contains(&kind)) {
        if let Some(value) = value(row, wanted, kind, method) {
            tree::put(&mut document, &row.key, value);
        }
    }
    let labelled = tree::get(wanted, LABELLED_SPLIT).filter(|split| !split.is_null());
    if let (Kind::Supervised, Some(split)) = (kind, labelled)
        && method != Method::Scratch
    {
        tree::put(&mut document, "dataset.split_file", split.clone());
    }
    document
}

fn value(row: &Row, wanted: &Value, kind: Kind, method: Method) -> Option<Value> {
    let at = Context { document: None, tree: wanted };
    match &row.means {
        Means::Setting(_, form) => {
            let house = row.setting(kind, method)?;
            let value = match row.written {
                true => tree::get(wanted, &house).cloned()?,
                false => changed(row, &house, wanted)?,
            };
            Some(form.write(&value, &at))
        }
        Means::Only(takes) => row.written.then(|| literal(takes)),
        Means::Nothing(_, written) => Some(literal(written)),
        Means::Weights | Means::Data => Some(Value::Null),
    }
}

/// What a view changes; the probability only where it is another.
fn changed(row: &Row, house: &str, wanted: &Value) -> Option<Value> {
    let (section, view) = VIEWS.into_iter().find(|(section, _)| row.key.starts_with(section))?;
    if row.key == format!("{section}.augmentation.solarization.threshold") {
        tree::get(wanted, &format!("{view}.solarise")).filter(|value| !value.is_null())?;
        return tree::get(wanted, house).cloned();
    }
    let name = house.strip_prefix(view)?.strip_prefix('.')?;
    let value = tree::get(wanted, house).filter(|value| !value.is_null())?;
    let base = tree::get(wanted, &format!("pretrain.augmentation.{name}"));
    let as_base = name.ends_with(".probability") && base == Some(value);
    (!as_base).then(|| value.clone())
}
