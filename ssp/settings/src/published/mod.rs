//! The study's published configurations (YAML), read as they are and written back.
//!
//! A published file configures one stage: a pretext task or supervised training. One table
//! (`table.rs`) holds each of its keys and what it is here; reading, writing and `--set` use it.
//! Settings for which the published form has no key lie below a section `cine`, in the house's own
//! tree. A file of that tree alone, such as a run's `settings.json`, is read as well.

mod assign;
mod document;
mod form;
mod read;
mod table;
#[cfg(test)]
mod tests;

mod write;

use std::path::{Path, PathBuf};

use super::{Method, Preset, Settings, tree};
use crate::{Error, Result};
use common::yaml;
use common::yaml::Place;
use document::{Document, Form};
use read::Reader;

pub use assign::published_keys;
pub(super) use assign::{all_keys, assign};

/// What a published document configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Supervised,
    SimClr,
    Pcl,
    Dino,
    Mim,
}

impl Kind {
    fn of_method(method: Method) -> Option<Kind> {
        Some(match method {
            Method::Scratch => return None,
            Method::SimClr => Kind::SimClr,
            Method::Pcl => Kind::Pcl,
            Method::Dino => Kind::Dino,
            Method::Mim => Kind::Mim,
        })
    }

    fn method(self) -> Option<Method> {
        Method::ALL.into_iter().find(|&method| Kind::of_method(method) == Some(self))
    }

    /// The part of the settings that is this stage's.
    fn stage(self) -> &'static str {
        if self == Kind::Supervised { "finetune" } else { "pretrain" }
    }

    fn name(self) -> &'static str {
        self.method().map_or("supervised training", Method::name)
    }
}

/// The configuration files of a command.
#[derive(Clone, Debug, Default)]
pub struct Configs {
    documents: Vec<Document>,
}

/// What configuration files say.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Every setting: a preset's where no file says otherwise.
    pub settings: Settings,
    /// The weights that fine-tuning starts from.
    pub weights: Option<PathBuf>,
    /// What is to be told to the user, a line each.
    pub notes: Vec<String>,
    data: Option<(PathBuf, Place)>,
}

impl Configs {
    /// Reads files, each of one or more documents.
    ///
    /// # Errors
    /// When one cannot be read, is not YAML, or says not what it configures.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let mut configs = Configs::default();
        for file in files {
            configs.take(yaml::read(file)?, file)?;
        }
        Ok(configs)
    }

    /// The same of text.
    fn parse(text: &str, file: &Path) -> Result<Self> {
        let mut configs = Configs::default();
        configs.take(yaml::parse(text, file)?, file)?;
        Ok(configs)
    }

    fn take(&mut self, documents: Vec<yaml::Node>, file: &Path) -> Result<()> {
        if documents.is_empty() {
            return Err(Error::Setting(format!("{}: is empty", file.display())));
        }
        for node in documents {
            self.documents.push(Document::of(node)?);
        }
        Ok(())
    }

    /// The method that they are for, if they say.
    ///
    /// # Errors
    /// When they say two.
    pub fn method(&self) -> Result<Option<Method>> {
        let mut found: Option<(Method, Place)> = None;
        for document in &self.documents {
            let said = document.method()?;
            let differs =
                |(method, _): &&(Method, Place)| found.as_ref().is_some_and(|f| f.0 != *method);
            if let (Some((method, place)), Some((first, there))) =
                (said.iter().find(differs), &found)
            {
                return Err(place.refuse(format!(
                    "is for method {}, and {there} for {}; give one of them",
                    method.name(),
                    first.name()
                )));
            }
            found = found.or(said.into_iter().next());
        }
        Ok(found.map(|(method, _)| method))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Those of them that a method goes by: not what is for others.
    ///
    /// # Errors
    /// When one names a method that there is not.
    pub fn of_method(&self, method: Method) -> Result<Self> {
        let mut documents = Vec::new();
        for document in &self.documents {
            let said = document.method()?;
            if said.is_empty() || said.iter().any(|(other, _)| *other == method) {
                documents.push(document.clone());
            }
        }
        Ok(Configs { documents })
    }

    /// The settings that they come to, for a method, from a preset: that which is given, or else
    /// the files', or else the paper's where a published file is among them, or else `default`.
    /// `changes`, as [`Settings::apply`] takes them, come on top.
    ///
    /// # Errors
    /// When a key is unknown, a value cannot be taken, or two places say different things.
    pub fn settings(
        &self,
        method: Option<Method>,
        preset: Option<Preset>,
        default: Preset,
        changes: &[String],
    ) -> Result<Configured> {
        let said = self.method()?;
        let method = match (method, said) {
            (Some(given), Some(said)) if given != said => {
                return Err(Error::Setting(format!(
                    "--method {} with a configuration of {}; leave --method out, or give the \
                     configuration that goes with it",
                    given.name(),
                    said.name()
                )));
            }
            (given, said) => given
                .or(said)
                .or_else(|| self.starts_from_scratch().then_some(Method::Scratch))
                .ok_or_else(|| Error::Setting(self.no_method()))?,
        };
        let preset = self.preset(preset)?.unwrap_or(default);
        let mut reader = Reader::new(&Settings::preset(preset, method))?;
        let pretrains = self.documents.iter().any(Document::pretrains);
        for document in &self.documents {
            if let Form::Published(kind) = document.form {
                reader.published(&document.node, kind, pretrains)?;
            }
        }
        for document in &self.documents {
            reader.own(document.own())?;
        }
        reader.finish(changes)
    }

    /// Whether all that there is is supervised training without weights to start from.
    fn starts_from_scratch(&self) -> bool {
        let unweighted = |document: &Document| {
            let weights = document.node.get("unet.weights_path");
            document.form == Form::Published(Kind::Supervised)
                && weights.is_none_or(|weights| weights.value().is_null())
        };
        !self.documents.is_empty() && self.documents.iter().all(unweighted)
    }

    fn no_method(&self) -> String {
        match self.documents.first() {
            None => "no method: give --method, or a configuration of one with --config".into(),
            Some(document) => format!(
                "no method: {} fine-tunes from weights; give the --method that made them",
                document.node.place.file.display()
            ),
        }
    }

    /// The preset that is given, or else the files', or else the paper's where a published file is
    /// among them.
    ///
    /// # Errors
    /// When they say two.
    pub fn preset(&self, given: Option<Preset>) -> Result<Option<Preset>> {
        let mut found = given.map(|preset| (preset, "--preset".to_owned()));
        for document in &self.documents {
            let Some(node) = document.own().and_then(|own| own.get("preset")) else { continue };
            let preset = document::word::<Preset>(node, "preset", &Preset::ALL.map(Preset::name))?;
            match &found {
                Some((first, there)) if *first != preset => {
                    return Err(node.place.refuse(format!(
                        "preset {}, and {there} says {}; they must agree",
                        preset.name(),
                        first.name()
                    )));
                }
                _ => found = found.or(Some((preset, node.place.to_string()))),
            }
        }
        let published = self.documents.iter().any(|d| matches!(d.form, Form::Published(_)));
        Ok(found.map(|(preset, _)| preset).or(published.then_some(Preset::Paper)))
    }
}

impl Configured {
    /// The folder of data that the files name, for a command that is given none.
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

impl Settings {
    /// The settings as published configurations: that of pretraining, if there is any, and that of
    /// supervised training, with a section `cine` for what these have no key for. Reading them
    /// gives the very same settings.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_published(&self) -> Result<String> {
        write::write(self)
    }
}

/// One setting, as it is written in a configuration.
///
/// # Errors
/// None that a user can cause.
pub fn value(settings: &Settings, path: &str) -> Result<String> {
    let tree = settings.to_value()?;
    Ok(tree::get(&tree, path).map_or_else(|| "None".into(), yaml::to_flow))
}
