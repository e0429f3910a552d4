//! What a YAML document configures, recognised by its sections.

use serde::de::DeserializeOwned;

use super::form::names;
use super::kind::Kind;
use super::table;
use crate::keys::nearest;
use crate::{Method, Result, keys};
use common::yaml::{Content, Node, Place};

/// A YAML document and its form.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub node: Node,
    pub form: Form,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The keys of the published study.
    Published(Kind),
    /// The keys of [`Settings`](crate::Settings).
    Own,
}

impl Document {
    /// Recognises the form of a document by the sections it has.
    pub(super) fn of(node: Node) -> Result<Self> {
        if !matches!(node.content, Content::Map(_)) {
            let found = node.described();
            return Err(node.place.refuse(format!("a configuration has sections; found {found}")));
        }
        let has = |path: &str| node.get(path).is_some();
        let form = match () {
            () if has("mim") => Form::Published(Kind::Mim),
            () if has("dino_head") => Form::Published(Kind::Dino),
            () if has("mlp") && has("loss.ntxent_supervised_threshold") => {
                Form::Published(Kind::Pcl)
            }
            () if has("mlp") => Form::Published(Kind::SimClr),
            () if has("unet") => Form::Published(Kind::Supervised),
            () => Form::Own,
        };
        if form == Form::Own {
            refuse_sections(&node)?;
        }
        Ok(Document { node, form })
    }

    /// The part with the keys of [`Settings`](crate::Settings).
    pub(super) fn own(&self) -> Option<&Node> {
        match (self.form, self.node.get("cine")) {
            (_, Some(own)) => Some(own),
            (Form::Own, None) => Some(&self.node),
            _ => None,
        }
    }

    pub(super) fn pretrains(&self) -> bool {
        matches!(self.form, Form::Published(kind) if kind != Kind::Supervised)
    }

    /// Every method that the document names, with its place.
    pub(super) fn method(&self) -> Result<Vec<(Method, Place)>> {
        let mut found = Vec::new();
        if let Form::Published(kind) = self.form {
            found.extend(kind.method().map(|method| (method, self.node.place.clone())));
        }
        if let Some(node) = self.own().and_then(|own| own.get("method")) {
            let method = word::<Method>(node, "method", &Method::ALL.map(Method::name))?;
            found.push((method, node.place.clone()));
        }
        Ok(found)
    }
}

/// Reads a value that must be one of a few words.
pub(super) fn word<T: DeserializeOwned>(node: &Node, key: &str, words: &[&str]) -> Result<T> {
    serde_json::from_value(node.value()).map_err(|_| {
        let takes = names(words.iter().copied());
        let found = node.described();
        let nearest = nearest(&found, words.iter().copied());
        node.place.refuse(format!("{key}: found {found}; takes {takes}; the nearest is {nearest}"))
    })
}

/// Refuses a document with a section that is not a setting, and says what is missing.
fn refuse_sections(node: &Node) -> Result<()> {
    let own: Vec<String> = keys().iter().map(|key| top(&key.path).to_owned()).collect();
    let known = |key: &str| key == "cine" || own.iter().any(|own| own == key);
    let Some(entry) = node.entries().iter().find(|entry| !known(&entry.key)) else { return Ok(()) };
    let published: Vec<&str> = table::PUBLISHED_KEYS.iter().map(|row| top(&row.key)).collect();
    if published.contains(&entry.key.as_str()) {
        return Err(entry.place.refuse(format!(
            "has a section {}, but none of mim, dino_head, mlp or unet, which say what is \
             configured",
            entry.key
        )));
    }
    let all = published.into_iter().chain(own.iter().map(String::as_str));
    Err(entry.place.refuse(format!(
        "there is no section {}; the nearest is {}",
        entry.key,
        nearest(&entry.key, all)
    )))
}

fn top(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}
