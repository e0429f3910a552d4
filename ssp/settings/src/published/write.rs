//! From settings to documents.

use std::path::Path;

use common::yaml;
use serde_json::{Map, Value};

use super::configs::Configs;
use super::form::{Context, literal};
use super::kind::Kind;
use super::table::{Effect, PUBLISHED_KEYS, PublishedKey, VIEWS};
use crate::{Method, Result, Settings, keys, tree};

impl Settings {
    /// The settings as published configurations: one for pretraining, if there is any, and one for
    /// supervised training, with a section `cine` for settings without a published key. Reading
    /// them gives the same settings again.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_published(&self) -> Result<String> {
        write(self)
    }
}

/// The settings as documents.
///
/// The documents are first read back without the section `cine`; settings that come back different
/// are written there.
fn write(settings: &Settings) -> Result<String> {
    let wanted = settings.to_value()?;
    let kinds: Vec<Kind> =
        Kind::of_method(settings.method).into_iter().chain([Kind::Supervised]).collect();
    let mut documents: Vec<Value> =
        kinds.iter().map(|&kind| document(&wanted, kind, settings.method)).collect();
    for document in &mut documents {
        // Without split files, which need not exist yet.
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
            let (ours, read_back) = (tree::get(&wanted, &key.path), tree::get(&plain, &key.path));
            let differs = match key.path.as_str() {
                SPLIT | LABELLED_SPLIT => kept_apart(&key.path, &wanted, kinds.len() == 2),
                _ => ours != read_back,
            };
            if let (true, true, Some(value)) = (differs, concerns(&key.path, kind, &kinds), ours) {
                tree::put(document, &format!("cine.{}", key.path), value.clone());
            }
        }
    }
    Ok(text(&documents))
}

/// Writes the preset and method, which have no published key.
fn start(document: &mut Value, settings: &Settings) {
    tree::put(document, "cine.preset", settings.preset.name().into());
    if settings.method == Method::Scratch {
        tree::put(document, "cine.method", settings.method.name().into());
    }
}

const SPLIT: &str = "subjects.split";
const LABELLED_SPLIT: &str = "subjects.labelled_split";

/// Whether a split has to be written below `cine`. Without a split the published default is written
/// and must be overridden; a second split can only be named by a second document.
fn kept_apart(path: &str, wanted: &Value, two: bool) -> bool {
    let given = tree::get(wanted, path).is_some_and(|value| !value.is_null());
    if path == SPLIT { !given } else { given && !two }
}

/// Whether a setting belongs in a document: settings of its stage, and shared ones.
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

/// One document with all published keys, in their order.
fn document(wanted: &Value, kind: Kind, method: Method) -> Value {
    let mut document = Value::Object(Map::new());
    for row in PUBLISHED_KEYS.iter().filter(|row| row.of.contains(&kind)) {
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

fn value(row: &PublishedKey, wanted: &Value, kind: Kind, method: Method) -> Option<Value> {
    let at = Context { document: None, tree: wanted };
    match &row.means {
        Effect::Setting(_, form) => {
            let setting = row.setting(kind, method)?;
            let value = match row.written {
                true => tree::get(wanted, &setting).cloned()?,
                false => changed(row, &setting, wanted)?,
            };
            Some(form.write(&value, &at))
        }
        Effect::Fixed(takes) => row.written.then(|| literal(takes)),
        Effect::Ignored(_, written) => Some(literal(written)),
        Effect::Weights | Effect::Data => Some(Value::Null),
    }
}

/// The value that a view changes; a probability only if it differs from the shared one.
fn changed(row: &PublishedKey, setting: &str, wanted: &Value) -> Option<Value> {
    let (section, view) = VIEWS.into_iter().find(|(section, _)| row.key.starts_with(section))?;
    if row.key == format!("{section}.augmentation.solarization.threshold") {
        tree::get(wanted, &format!("{view}.solarise")).filter(|value| !value.is_null())?;
        return tree::get(wanted, setting).cloned();
    }
    let name = setting.strip_prefix(view)?.strip_prefix('.')?;
    let value = tree::get(wanted, setting).filter(|value| !value.is_null())?;
    let base = tree::get(wanted, &format!("pretrain.augmentation.{name}"));
    let as_base = name.ends_with(".probability") && base == Some(value);
    (!as_base).then(|| value.clone())
}
