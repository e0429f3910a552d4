//! The configuration files of a command, and the settings that they specify together.

use std::path::{Path, PathBuf};

use common::yaml::{self, Place};

use super::document::{Document, Form, word};
use super::kind::Kind;
use super::read::{Configured, Reader};
use crate::{Error, Method, Preset, Result, Settings};

/// The configuration files of a command.
#[derive(Clone, Debug, Default)]
pub struct Configs {
    documents: Vec<Document>,
}

impl Configs {
    /// Reads files, each of one or more documents.
    ///
    /// # Errors
    /// When one cannot be read, is not YAML, or does not show what it configures.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let mut configs = Configs::default();
        for file in files {
            configs.take(yaml::read(file)?, file)?;
        }
        Ok(configs)
    }

    /// As [`read`](Self::read), from text.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self> {
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

    /// The method that the files are for, if they name one.
    ///
    /// # Errors
    /// When they name two.
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

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The documents that apply to a method: those that name it, or no method.
    ///
    /// # Errors
    /// When one names an unknown method.
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

    /// The settings for a method. They start from `preset`, else from the preset that the files name,
    /// else from the paper's if a published file is among them, else from `default`. `changes`, as
    /// [`Settings::apply`] takes them, are applied last.
    ///
    /// # Errors
    /// When a key is unknown, a value is not accepted, or two places contradict each other.
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

    /// Whether every document is supervised training without weights to start from.
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

    /// The preset given, else the one the files name, else the paper's if a published file is among
    /// them.
    ///
    /// # Errors
    /// When two differ.
    pub fn preset(&self, given: Option<Preset>) -> Result<Option<Preset>> {
        let mut found = given.map(|preset| (preset, "--preset".to_owned()));
        for document in &self.documents {
            let Some(node) = document.own().and_then(|own| own.get("preset")) else { continue };
            let preset = word::<Preset>(node, "preset", &Preset::ALL.map(Preset::name))?;
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
