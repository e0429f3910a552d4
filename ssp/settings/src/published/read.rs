//! From documents to settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::yaml::{self, Content, Node, Place};
use serde_json::{Value, json};

use super::form::{Context, literal};
use super::kind::Kind;
use super::table::{Effect, FINETUNING_RATE, PUBLISHED_KEYS, PublishedKey, VIEWS};
use crate::keys::nearest;
use crate::{
    AugmentationChange, Error, Method, Result, Settings, explain, keys, merge, tree, views,
};

/// The settings that configuration files specify.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Every setting; the preset's where no file gives one.
    pub settings: Settings,
    /// The weights that fine-tuning starts from.
    pub weights: Option<PathBuf>,
    /// Notes for the user, one line each.
    pub notes: Vec<String>,
    data: Option<(PathBuf, Place)>,
}

impl Configured {
    /// The folder of data that the files name, for a command without `--data`.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn data(&self) -> Result<Option<PathBuf>> {
        let Some((path, place)) = &self.data else { return Ok(None) };
        let original = path.join("original_data");
        match [&original, path].into_iter().find(|folder| folder.is_dir()) {
            Some(folder) => Ok(Some(folder.clone())),
            None => Err(place.refuse(format!(
                "paths.data: {} does not exist; say where the data are with --data",
                path.display()
            ))),
        }
    }
}

/// A setting given by a file.
#[derive(Clone, Debug)]
struct Given {
    /// The path of the setting.
    setting: String,
    value: Value,
    /// The value with all its words and numbers as text, for a name that looks like a number.
    text: Value,
    /// The value as written in the file.
    found: String,
    key: String,
    place: Place,
}

/// Merges documents into settings, one after the other.
pub(super) struct Reader {
    method: Method,
    tree: Value,
    published: Vec<Given>,
    own: Vec<Given>,
    /// The split files named for pretraining and for supervised training.
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

    /// Merges a published document. If the split files of two differ, that of supervised training
    /// names the subjects whose labels are used.
    pub(super) fn published(&mut self, document: &Node, kind: Kind, pretrains: bool) -> Result<()> {
        let mut found = Vec::new();
        leaves(document, "", kind, &mut found)?;
        // In the order of the table, since some values depend on those of earlier keys.
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
            let row = &PUBLISHED_KEYS[at];
            let given = |setting: String, value: Value| Given {
                setting,
                value,
                text: node.texts(),
                found: node.described(),
                key: row.key.clone(),
                place: node.place.clone(),
            };
            match &row.means {
                Effect::Fixed(takes) => refuse_other(node, row, takes)?,
                Effect::Ignored(None, _) => {}
                Effect::Ignored(Some(why), _) => {
                    let keys = self.idle.entry(why).or_default();
                    if !keys.contains(&row.key) {
                        keys.push(row.key.clone());
                    }
                }
                Effect::Weights | Effect::Data if node.value().is_null() => {}
                Effect::Weights => self.weights = Some(given(String::new(), node.value())),
                Effect::Data => {
                    let data = given("paths.data".into(), node.value());
                    agree(self.data.iter(), &data)?;
                    self.data = Some(data);
                }
                Effect::Setting(_, form) => {
                    let at = Context { document: Some(document), tree: &self.tree };
                    let refuse = |takes| refusal(node, &row.key, takes);
                    let Some(value) = form.read(node.value(), &at).map_err(refuse)? else {
                        continue;
                    };
                    let setting = row.setting(kind, self.method).unwrap_or_default();
                    let given = given(setting, value);
                    if given.setting == SPLIT {
                        let part = usize::from(kind == Kind::Supervised && pretrains);
                        agree(self.splits[part].iter(), &given)?;
                        self.splits[part] = Some(given);
                    } else {
                        self.begin_view(&given.setting);
                        self.put(given)?;
                    }
                }
            }
        }
        self.end_views(&views);
        Ok(())
    }

    /// A document that changes part of a view's `Chance` starts from the one all views share.
    fn begin_view(&mut self, setting: &str) {
        if views::begin(&mut self.tree, setting) && setting.starts_with(LOCAL_SHIFT) {
            self.shift_by_pixels();
        }
    }

    /// Local views without a shift of their own keep the shared one, in pixels of their smaller
    /// size.
    fn end_views(&mut self, views: &[&str]) {
        let local = LOCAL_SHIFT.rsplit_once('.').unwrap_or_default().0;
        if views.contains(&local)
            && self.number("network.size") != self.number("pretrain.dino.local_size")
            && views::begin(&mut self.tree, &format!("{LOCAL_SHIFT}.range"))
        {
            self.shift_by_pixels();
        }
    }

    /// Converts the shift from pixels of a global view to as many pixels of a local view.
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

    fn put(&mut self, mut given: Given) -> Result<()> {
        self.assign(&mut given)?;
        agree(self.published.iter(), &given)?;
        self.published.push(given);
        Ok(())
    }

    /// Sets a value, and checks that the tree still deserialises to settings. The value becomes the reading
    /// of it that fits.
    fn assign(&mut self, given: &mut Given) -> Result<()> {
        let before = tree::get(&self.tree, &given.setting).cloned().unwrap_or_default();
        let merged = |value: &Value| match (&before, value) {
            (Value::Object(_), Value::Object(_)) => {
                let mut merged = before.clone();
                merge(&mut merged, value);
                merged
            }
            _ => value.clone(),
        };
        let readings = [&given.value, &yaml::unquoted(&given.value), &given.text].map(merged);
        match tree::fit(&self.tree, &given.setting, readings) {
            Ok((_, value)) => {
                tree::put(&mut self.tree, &given.setting, value.clone());
                // A section is compared as it is written, without what it was merged with.
                if !value.is_object() {
                    given.value = value;
                }
                Ok(())
            }
            Err(error) => Err(given.place.refuse(format!(
                "{}: found {}; {}{}",
                given.key,
                given.found,
                explain::refusal(&before, &given.found, &error),
                meaning(&given.setting)
            ))),
        }
    }

    /// Merges a section with the keys of `Settings`, which override published keys.
    pub(super) fn own(&mut self, node: Option<&Node>) -> Result<()> {
        let Some(node) = node else { return Ok(()) };
        let paths: Vec<String> = keys().iter().map(|key| key.path.clone()).collect();
        let mut found = Vec::new();
        own_leaves(node, "", &paths, &mut found)?;
        for mut given in found {
            // These chose the preset that the tree started from.
            if given.setting != "preset" && given.setting != "method" {
                self.assign(&mut given)?;
            }
            agree(self.own.iter(), &given)?;
            self.own.push(given);
        }
        Ok(())
    }

    /// The merged settings, with `changes` applied last.
    pub(super) fn finish(mut self, changes: &[String]) -> Result<Configured> {
        let data = self.data.take();
        let folder = data.as_ref().map(|data| text(&data.value));
        let [split, mut labelled] = std::mem::take(&mut self.splits);
        if let (Some(split), Some(of_labels)) = (&split, &labelled)
            && tree::same(&split.value, &of_labels.value)
        {
            labelled = None;
        }
        // If only the supervised configuration names a split, it is for both stages.
        let (split, labelled) = match split.filter(|split| !split.value.is_null()) {
            None => (labelled, None),
            split => (split, labelled),
        };
        for (given, setting) in [(split, SPLIT), (labelled, LABELLED_SPLIT)] {
            let Some(given) = given else { continue };
            if self.own.iter().all(|own| own.setting != setting) {
                let value = match &given.value {
                    Value::Null => Value::Null,
                    value => json!(find_split(&text(value), &given, folder.as_deref())),
                };
                self.assign(&mut Given { setting: setting.into(), value, ..given })?;
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

    /// Adds to an error about a setting the place that gave the setting its value in `tree`.
    fn placed(&self, error: Error, tree: &Value) -> Error {
        let what = error.to_string();
        let about = |given: &&Given| {
            what.starts_with(&given.setting)
                && tree::get(tree, &given.setting) == Some(&given.value)
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

    /// The study fine-tunes at a lower rate than it trains from scratch. A file that gives the rate
    /// from scratch may mean it, or may have been left unchanged, so the user is told.
    fn rate_note(&self, settings: &Settings) -> Option<String> {
        let is_rate = |given: &&Given| given.setting == FINETUNING_RATE;
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

/// The values of a document, with their indices in the table.
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
        let of_kind = |row: &&PublishedKey| row.of.contains(&kind);
        let below = format!("{key}.");
        if let Some(at) = PUBLISHED_KEYS.iter().position(|row| row.key == key && of_kind(&row)) {
            found.push((at, &entry.value));
        } else if PUBLISHED_KEYS.iter().filter(of_kind).any(|row| row.key.starts_with(&below)) {
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

/// The message for an unknown key, with the nearest known one.
fn unknown(key: &str, kind: Kind) -> String {
    let below = format!("{key}.");
    if let Some(other) =
        PUBLISHED_KEYS.iter().find(|row| row.key == key || row.key.starts_with(&below))
    {
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
    let keys =
        PUBLISHED_KEYS.iter().filter(|row| row.of.contains(&kind)).map(|row| row.key.as_str());
    let all = keys.flat_map(|full| {
        let section = ends(full).nth(depth - 1).and_then(|end| full.get(..end));
        section.into_iter().chain([full])
    });
    format!("there is no key {key}; the nearest is {}", nearest(key, all))
}

/// The values of a section with the keys of `Settings`.
fn own_leaves(node: &Node, path: &str, paths: &[String], found: &mut Vec<Given>) -> Result<()> {
    for entry in node.entries() {
        let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        let below = format!("{key}.");
        if paths.contains(&key) {
            found.push(Given {
                setting: key.clone(),
                value: entry.value.value(),
                text: entry.value.texts(),
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

fn refuse_other(node: &Node, row: &PublishedKey, takes: &str) -> Result<()> {
    let same = |value: &Value| tree::same(value, &literal(takes));
    match same(&node.value()) || same(&yaml::unquoted(&node.value())) {
        true => Ok(()),
        false => Err(refusal(node, &row.key, format!("{takes}; nothing else is done here"))),
    }
}

fn refusal(node: &Node, key: &str, takes: String) -> Error {
    node.place.refuse(format!("{key}: found {}; takes {takes}", node.described()))
}

/// Refuses a setting that another place gives a different value.
fn agree<'a>(mut others: impl Iterator<Item = &'a Given>, given: &Given) -> Result<()> {
    let differs =
        |other: &&Given| other.setting == given.setting && !tree::same(&other.value, &given.value);
    match others.find(differs) {
        None => Ok(()),
        Some(other) => Err(given.place.refuse(format!(
            "{} is {}, and in {} {} is {}; they are one setting here, {}: give both the same",
            given.key, given.found, other.place, other.key, other.found, given.setting
        ))),
    }
}

/// The description of a setting, in brackets.
fn meaning(setting: &str) -> String {
    explain::meaning(setting).map_or(String::new(), |meaning| format!(" ({meaning})"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The path of a split file: beside the configuration, in the data's folder of splits, or as
/// given. A missing file is reported when it is read, since `--split` may still replace it.
fn find_split(name: &str, given: &Given, data: Option<&str>) -> String {
    let beside = given.place.file.parent().map(|folder| folder.join(name));
    let of_data = data.map(|data| Path::new(data).join("subject_splits").join(name));
    let place = beside.into_iter().chain(of_data).find(|place| place.is_file());
    place.map_or_else(|| name.to_owned(), |place| place.display().to_string())
}

/// The path of weights: as given, or relative to the configuration.
fn find_weights(given: &Given) -> Result<PathBuf> {
    let name = text(&given.value);
    let beside = given.place.file.parent().map(|folder| folder.join(&name));
    let places = [Some(PathBuf::from(&name)), beside];
    places.into_iter().flatten().find(|place| place.exists()).ok_or_else(|| {
        given.place.refuse(format!("{}: {name} does not exist; give --weights", given.key))
    })
}
