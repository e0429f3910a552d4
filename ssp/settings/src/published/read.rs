//! From documents to settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::document::nearest;
use super::form::{Context, literal};
use super::table::{Means, RATE_AFTER_PRETRAINING, ROWS, Row, VIEWS};
use super::{Configured, Kind, tree};
use crate::{AugmentationChange, Method, Settings, assign, keys, merge, views};
use crate::{Error, Result};
use common::yaml::{Content, Node, Place};

/// A setting that a file gives.
#[derive(Clone, Debug)]
struct Given {
    house: String,
    value: Value,
    /// As the file has it.
    found: String,
    key: String,
    place: Place,
}

/// Settings that take up one document after the other.
pub(super) struct Reader {
    method: Method,
    tree: Value,
    published: Vec<Given>,
    own: Vec<Given>,
    /// Split files of pretraining and of supervised training, as their files name them.
    splits: [Option<Given>; 2],
    /// Keys without effect, by reason.
    idle: BTreeMap<&'static str, Vec<String>>,
    weights: Option<Given>,
    data: Option<Given>,
}

const SPLIT: &str = "subjects.split";
const LABELLED_SPLIT: &str = "subjects.labelled_split";
const LOCAL_SHIFT: &str = "pretrain.dino.local.translation";

impl Reader {
    pub(super) fn new(base: &Settings) -> Result<Self> {
        Ok(Reader {
            method: base.method,
            tree: base.to_value()?,
            published: vec![],
            own: vec![],
            splits: [None, None],
            idle: BTreeMap::new(),
            weights: None,
            data: None,
        })
    }

    /// Takes up a published document. Of two that differ in their split file, that of supervised
    /// training says whose labels are used.
    pub(super) fn published(&mut self, document: &Node, kind: Kind, pretrains: bool) -> Result<()> {
        let mut found = Vec::new();
        leaves(document, "", kind, &mut found)?;
        // In the order of the table: some values depend on those of other keys.
        found.sort_by_key(|(row, ..)| *row);
        let views: Vec<&str> = VIEWS
            .into_iter()
            .filter(|(section, _)| document.get(section).is_some())
            .map(|(_, view)| view)
            .collect();
        for view in &views {
            tree::put(&mut self.tree, view, json!(AugmentationChange::default()));
        }
        for (at, node) in found {
            let row = &ROWS[at];
            let given = |house: String, value: Value| Given {
                house,
                value,
                found: node.described(),
                key: row.key.clone(),
                place: node.place.clone(),
            };
            match &row.means {
                Means::Only(takes) => refuse_other(node, row, takes)?,
                Means::Nothing(None, _) => {}
                Means::Nothing(Some(why), _) => {
                    let keys = self.idle.entry(why).or_default();
                    if !keys.contains(&row.key) {
                        keys.push(row.key.clone());
                    }
                }
                Means::Weights | Means::Data if node.value().is_null() => {}
                Means::Weights => self.weights = Some(given(String::new(), node.value())),
                Means::Data => {
                    let data = given("paths.data".into(), node.value());
                    agree(self.data.iter(), &data)?;
                    self.data = Some(data);
                }
                Means::Setting(_, form) => {
                    let at = Context { document: Some(document), tree: &self.tree };
                    let refuse = |takes| refusal(node, &row.key, takes);
                    let Some(value) = form.read(node.value(), &at).map_err(refuse)? else {
                        continue;
                    };
                    let house = row.setting(kind, self.method).unwrap_or_default();
                    let given = given(house, value);
                    if given.house == SPLIT {
                        let part = usize::from(kind == Kind::Supervised && pretrains);
                        agree(self.splits[part].iter(), &given)?;
                        self.splits[part] = Some(given);
                    } else {
                        self.begin_view(&given.house);
                        self.put(given)?;
                    }
                }
            }
        }
        self.end_views(&views);
        Ok(())
    }

    /// What a document says of a part of a view's chance comes on top of what all views have.
    fn begin_view(&mut self, house: &str) {
        if views::begin(&mut self.tree, house) && house.starts_with(LOCAL_SHIFT) {
            self.shift_by_pixels();
        }
    }

    /// A section of local views that says nothing of their shift leaves it what all views have, in
    /// pixels, which are fewer in a local view.
    fn end_views(&mut self, views: &[&str]) {
        let local = LOCAL_SHIFT.rsplit_once('.').unwrap_or_default().0;
        if views.contains(&local)
            && self.number("network.size") != self.number("pretrain.dino.local_size")
            && views::begin(&mut self.tree, &format!("{LOCAL_SHIFT}.range"))
        {
            self.shift_by_pixels();
        }
    }

    /// Pixels of the first view become as many of a local one.
    fn shift_by_pixels(&mut self) {
        let factor = self.number("network.size") / self.number("pretrain.dino.local_size");
        let path = format!("{LOCAL_SHIFT}.range");
        let range = tree::get(&self.tree, &path).and_then(Value::as_array);
        let scaled: Vec<f64> =
            range.into_iter().flatten().filter_map(Value::as_f64).map(|x| x * factor).collect();
        tree::put(&mut self.tree, &path, json!(scaled));
    }

    fn number(&self, path: &str) -> f64 {
        tree::get(&self.tree, path).and_then(Value::as_f64).unwrap_or_default()
    }

    fn put(&mut self, given: Given) -> Result<()> {
        agree(self.published.iter(), &given)?;
        self.assign(&given)?;
        self.published.push(given);
        Ok(())
    }

    /// Sets a value in the tree, which must then still be one of settings.
    fn assign(&mut self, given: &Given) -> Result<()> {
        let before = tree::get(&self.tree, &given.house).cloned().unwrap_or_default();
        let mut value = given.value.clone();
        if let (Some(there @ Value::Object(_)), Value::Object(_)) =
            (tree::get(&self.tree, &given.house), &value)
        {
            let mut merged = there.clone();
            merge(&mut merged, &value);
            value = merged;
        }
        tree::put(&mut self.tree, &given.house, value);
        match serde_json::from_value::<Settings>(self.tree.clone()) {
            Ok(_) => Ok(()),
            Err(error) => Err(given.place.refuse(format!(
                "{}: found {}; {}{}",
                given.key,
                given.found,
                assign::refusal(&before, &error),
                meaning(&given.house)
            ))),
        }
    }

    /// Takes up a part in the house's tree, which goes before what is published.
    pub(super) fn own(&mut self, node: Option<&Node>) -> Result<()> {
        let Some(node) = node else { return Ok(()) };
        let paths: Vec<String> = keys().into_iter().map(|key| key.path).collect();
        let mut found = Vec::new();
        own_leaves(node, "", &paths, &mut found)?;
        for given in found {
            agree(self.own.iter(), &given)?;
            // What settings start from is known already.
            if given.house != "preset" && given.house != "method" {
                self.assign(&given)?;
            }
            self.own.push(given);
        }
        Ok(())
    }

    /// The settings, once every document has been taken up, with `changes` on top.
    pub(super) fn finish(mut self, changes: &[String]) -> Result<Configured> {
        let data = self.data.take();
        let folder = data.as_ref().map(|data| text(&data.value));
        let [split, mut labelled] = std::mem::take(&mut self.splits);
        if let (Some(split), Some(of_labels)) = (&split, &labelled)
            && tree::same(&split.value, &of_labels.value)
        {
            labelled = None;
        }
        // Only the supervised configuration names one: it is for all.
        let (split, labelled) = match split.filter(|split| !split.value.is_null()) {
            None => (labelled, None),
            split => (split, labelled),
        };
        for (given, house) in [(split, SPLIT), (labelled, LABELLED_SPLIT)] {
            let Some(given) = given else { continue };
            if self.own.iter().all(|own| own.house != house) {
                let value = match &given.value {
                    Value::Null => Value::Null,
                    value => json!(find_split(&text(value), &given, folder.as_deref())),
                };
                self.assign(&Given { house: house.into(), value, ..given })?;
            }
        }
        let mut settings: Settings = serde_json::from_value(self.tree.clone())
            .map_err(|error| Error::Setting(error.to_string()))?;
        settings.change(changes)?;
        let tree = settings.to_value()?;
        settings.check().map_err(|error| self.placed(error, &tree))?;
        let weights = match self.weights.take() {
            Some(given) => Some(find_weights(&given)?),
            None => None,
        };
        Ok(Configured {
            notes: self.notes(&settings),
            settings,
            weights,
            data: data.map(|data| (PathBuf::from(text(&data.value)), data.place)),
        })
    }

    /// An error about a setting, with the place that gave it what it is in `tree`.
    fn placed(&self, error: Error, tree: &Value) -> Error {
        let what = error.to_string();
        let about = |given: &&Given| {
            what.starts_with(&given.house) && tree::get(tree, &given.house) == Some(&given.value)
        };
        match self.own.iter().chain(&self.published).find(about) {
            Some(given) => given.place.refuse(format!("{}: {what}", given.key)),
            None => error,
        }
    }

    fn notes(&self, settings: &Settings) -> Vec<String> {
        let reasons: Vec<String> =
            self.idle.iter().map(|(why, keys)| format!("{} ({why})", keys.join(", "))).collect();
        let idle =
            (!reasons.is_empty()).then(|| format!("of no effect here: {}", reasons.join("; ")));
        idle.into_iter().chain(self.rate_note(settings)).collect()
    }

    /// The study lowers the rate of its supervised configuration when it fine-tunes. A file with
    /// the rate from scratch may have been meant so, or forgotten.
    fn rate_note(&self, settings: &Settings) -> Option<String> {
        let is_rate = |given: &&Given| given.house == RATE_AFTER_PRETRAINING;
        let given = self.published.iter().find(is_rate)?;
        let study = Settings::preset(settings.preset, self.method).finetune;
        let from_scratch =
            study.optimisation.learning_rate == settings.finetune.pretrained_learning_rate;
        (from_scratch && study.pretrained_learning_rate != study.optimisation.learning_rate).then(
            || {
                format!(
                    "{}: fine-tuning takes {} {}, the rate from scratch; the study has {} after \
                     pretraining",
                    given.place, given.key, given.found, study.pretrained_learning_rate
                )
            },
        )
    }
}

/// The values of a document with the places of their rows.
fn leaves<'a>(
    node: &'a Node,
    path: &str,
    kind: Kind,
    found: &mut Vec<(usize, &'a Node)>,
) -> Result<()> {
    for entry in node.entries() {
        let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        if key == "cine" {
            continue;
        }
        let of_kind = |row: &&Row| row.of.contains(&kind);
        let below = format!("{key}.");
        if let Some(at) = ROWS.iter().position(|row| row.key == key && of_kind(&row)) {
            found.push((at, &entry.value));
        } else if ROWS.iter().filter(of_kind).any(|row| row.key.starts_with(&below)) {
            if !matches!(entry.value.content, Content::Map(_)) {
                let what = "a section of keys".to_owned();
                return Err(refusal(&entry.value, &key, what));
            }
            leaves(&entry.value, &key, kind, found)?;
        } else {
            return Err(entry.place.refuse(unknown(&key, kind)));
        }
    }
    Ok(())
}

/// Says that there is no such key, and which there is.
fn unknown(key: &str, kind: Kind) -> String {
    let below = format!("{key}.");
    if let Some(other) = ROWS.iter().find(|row| row.key == key || row.key.starts_with(&below)) {
        let of: Vec<&str> = other.of.iter().map(|kind| kind.name()).collect();
        return format!(
            "{key} is not of the configuration of {}, but of {}",
            kind.name(),
            of.join(", ")
        );
    }
    // A section may be misspelt as well as a key.
    let ends = |full: &'static str| full.match_indices('.').map(|(at, _)| at).chain([full.len()]);
    let depth = key.split('.').count();
    let keys = ROWS.iter().filter(|row| row.of.contains(&kind)).map(|row| row.key.as_str());
    let all = keys.flat_map(|full| {
        let section = ends(full).nth(depth - 1).and_then(|end| full.get(..end));
        section.into_iter().chain([full])
    });
    format!("there is no key {key}; the nearest is {}", nearest(key, all))
}

/// The values of a part in the house's tree.
fn own_leaves(node: &Node, path: &str, paths: &[String], found: &mut Vec<Given>) -> Result<()> {
    for entry in node.entries() {
        let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        let below = format!("{key}.");
        if paths.contains(&key) {
            found.push(Given {
                house: key.clone(),
                value: entry.value.value(),
                found: entry.value.described(),
                key,
                place: entry.value.place.clone(),
            });
        } else if !paths.iter().any(|path| path.starts_with(&below)) {
            let nearest = nearest(&key, paths.iter().map(String::as_str));
            let what = format!("there is no setting {key}; the nearest is {nearest}");
            return Err(entry.place.refuse(what));
        } else if matches!(entry.value.content, Content::Map(_)) {
            own_leaves(&entry.value, &key, paths, found)?;
        } else {
            return Err(refusal(&entry.value, &key, "a section of keys".into()));
        }
    }
    Ok(())
}

fn refuse_other(node: &Node, row: &Row, takes: &str) -> Result<()> {
    match tree::same(&node.value(), &literal(takes)) {
        true => Ok(()),
        false => Err(refusal(node, &row.key, format!("{takes}; nothing else is done here"))),
    }
}

fn refusal(node: &Node, key: &str, takes: String) -> Error {
    node.place.refuse(format!("{key}: found {}; takes {takes}", node.described()))
}

/// Refuses a setting that another place gives otherwise.
fn agree<'a>(mut others: impl Iterator<Item = &'a Given>, given: &Given) -> Result<()> {
    let differs =
        |other: &&Given| other.house == given.house && !tree::same(&other.value, &given.value);
    match others.find(differs) {
        None => Ok(()),
        Some(other) => Err(given.place.refuse(format!(
            "{} is {}, and in {} {} is {}; they are one setting here, {}: give both the same",
            given.key, given.found, other.place, other.key, other.found, given.house
        ))),
    }
}

/// What a setting means, in brackets.
fn meaning(house: &str) -> String {
    crate::assign::meaning(house).map_or(String::new(), |meaning| format!(" ({meaning})"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A split file: beside the configuration, in the data's folder of splits, or where it says. One
/// that is nowhere is missed when it is read: until then another may take its place (`--split`).
fn find_split(name: &str, given: &Given, data: Option<&str>) -> String {
    let beside = given.place.file.parent().map(|folder| folder.join(name));
    let of_data = data.map(|data| Path::new(data).join("subject_splits").join(name));
    let place = beside.into_iter().chain(of_data).find(|place| place.is_file());
    place.map_or_else(|| name.to_owned(), |place| place.display().to_string())
}

/// Weights: where they are said to be, or so seen from the configuration.
fn find_weights(given: &Given) -> Result<PathBuf> {
    let name = text(&given.value);
    let beside = given.place.file.parent().map(|folder| folder.join(&name));
    let places = [Some(PathBuf::from(&name)), beside];
    places.into_iter().flatten().find(|place| place.exists()).ok_or_else(|| {
        given.place.refuse(format!("{}: {name} does not exist; give --weights", given.key))
    })
}
