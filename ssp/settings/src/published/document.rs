//! What a document is, told by its sections.

use serde::de::DeserializeOwned;

use super::form::names;
use super::{Kind, Method, table};
use crate::Result;
use crate::assign::edit_distance;
use crate::keys;
use common::yaml::{Content, Node, Place};

/// A document and what it is.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub node: Node,
    pub form: Form,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As the study's are.
    Published(Kind),
    /// As the house's tree.
    Own,
}

impl Document {
    /// Tells what a document is.
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

    /// The part in the house's tree.
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

    /// Every method that it says it is for, and where.
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

/// One of a few words.
pub(super) fn word<T: DeserializeOwned>(node: &Node, key: &str, words: &[&str]) -> Result<T> {
    serde_json::from_value(node.value()).map_err(|_| {
        let takes = names(words.iter().copied());
        node.place.refuse(format!("{key}: found {}; takes {takes}", node.described()))
    })
}

/// Refuses a document of whose sections one is neither the house's nor tells what is configured.
fn refuse_sections(node: &Node) -> Result<()> {
    let own: Vec<String> = keys().into_iter().map(|key| top(&key.path).to_owned()).collect();
    let ours = |key: &str| key == "cine" || own.iter().any(|ours| ours == key);
    let Some(entry) = node.entries().iter().find(|entry| !ours(&entry.key)) else { return Ok(()) };
    let theirs: Vec<&str> = table::ROWS.iter().map(|row| top(&row.key)).collect();
    if theirs.contains(&entry.key.as_str()) {
        return Err(entry.place.refuse(format!(
            "has a section {}, but none that tells what is configured: mim, dino_head, mlp or \
             unet",
            entry.key
        )));
    }
    let all = theirs.into_iter().chain(own.iter().map(String::as_str));
    Err(entry.place.refuse(format!(
        "there is no section {}; the nearest is {}",
        entry.key,
        nearest(&entry.key, all)
    )))
}

fn top(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

/// The key that is most like one that there is not: its last part counts most.
pub(super) fn nearest<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |k: &&str| 5 * edit_distance(&last(k), &last(key)) + edit_distance(k, key);
    keys.min_by_key(distance).unwrap_or_default().to_owned()
}
