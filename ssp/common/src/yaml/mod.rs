//! YAML as people write it for Python: read with the line of everything, and written back.
//!
//! A scalar keeps its text, so that an ID 001 stays what it is; what number or truth it stands for
//! is asked later. `None` is none, quoted or not, and `1e-4` is a number (Python's own reader takes
//! both for text).

mod scalar;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use crate::{Error, Result};

pub use write::{flow as to_flow, to_text};

/// Lists and mappings lie within each other at most this deep.
const DEEPEST: usize = 32;

/// More values than this are in no file that people write.
const MOST: usize = 1_000_000;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<PathBuf>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file.display(), self.line)
    }
}

impl Place {
    /// A refusal of what stands here.
    pub fn refuse(&self, what: impl fmt::Display) -> Error {
        Error::Setting(format!("{self}: {what}"))
    }
}

/// A value of a file, and where it is.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Where it begins.
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Its text, and whether it stands there without quotes.
    Scalar(String, bool),
    /// Values in order.
    List(Vec<Node>),
    /// Keys and values in order; a key is there once.
    Map(Vec<Entry>),
}

/// A key, where it is, and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Keys and values; none of what is no mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value below a path of keys, such as `loss.temperature`.
    pub fn get(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| {
            node.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
        })
    }

    /// As JSON: scalars without quotes are what they look like, none and numbers and truths
    /// included.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(text, plain) => scalar::value(text, *plain),
            Content::List(items) => items.iter().map(Node::value).collect(),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.value())).collect())
            }
        }
    }

    /// What it is, for people.
    pub fn described(&self) -> String {
        match &self.content {
            Content::Scalar(text, _) => text.clone(),
            Content::Map(_) => "a section".into(),
            Content::List(_) => write::flow(&self.value()),
        }
    }
}

/// Reads the documents of a file. Empty ones are passed over.
///
/// # Errors
/// When the file cannot be read, or is not YAML; the line says where.
pub fn read(path: &Path) -> Result<Vec<Node>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    parse(&text, path)
}

/// As [`read`], of text that is there; `path` is for messages.
///
/// # Errors
/// When it is not YAML.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Node>> {
    let mut builder = Builder { file: Arc::new(path.to_path_buf()), ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.broken(&error))?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

/// A single value as a file would have it; text that is no YAML is text. A list needs no brackets:
/// `16,32,64`.
pub fn value(text: &str) -> Value {
    let text = text.trim();
    let bracketed = text.starts_with(['[', '{', '"', '\'']);
    if text.contains(',') && !bracketed {
        return text.split(',').map(value).collect();
    }
    match parse(text, Path::new("")).as_deref() {
        Ok([node]) => node.value(),
        Ok([]) => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

/// Puts nodes together from what the parser comes by.
#[derive(Default)]
struct Builder {
    file: Arc<PathBuf>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    count: usize,
}

/// A list or mapping that is not at its end, with its anchor and the key that waits for a value.
struct Open {
    node: Node,
    anchor: usize,
    waiting: Option<(String, Place)>,
}

impl Builder {
    fn place(&self, span: Span) -> Place {
        Place { file: self.file.clone(), line: span.start.line() }
    }

    fn broken(&self, error: &ScanError) -> Error {
        let place = Place { file: self.file.clone(), line: error.marker().line() };
        place.refuse(format!("is not YAML: {}", error.info()))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<()> {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let content = Content::Scalar(text.into_owned(), plain);
                self.add(Node { content, place }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Content::List(vec![]), anchor, place),
            Event::MappingStart(anchor, _) => self.begin(Content::Map(vec![]), anchor, place),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.add(node, anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, 0),
                None => Err(place.refuse("an alias of what is not there yet")),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, place: Place) -> Result<()> {
        if self.open.len() == DEEPEST {
            return Err(place.refuse(format!("is nested more than {DEEPEST} levels deep")));
        }
        let node = Node { content, place };
        self.open.push(Open { node, anchor, waiting: None });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<()> {
        self.count += size(&node);
        if self.count > MOST {
            return Err(node.place.refuse(format!("more than {MOST} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(Open { node: parent, waiting, .. }) = self.open.last_mut() else {
            let empty = matches!(&node.content, Content::Scalar(text, true) if text.is_empty());
            self.documents.extend((!empty).then_some(node));
            return Ok(());
        };
        match (&mut parent.content, waiting.take()) {
            (Content::Map(entries), Some((key, place))) => {
                if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                    let line = first.place.line;
                    return Err(place.refuse(format!("{key} is there already, in line {line}")));
                }
                entries.push(Entry { key, place, value: node });
            }
            (Content::Map(_), None) => match node.content {
                Content::Scalar(key, _) => *waiting = Some((key, node.place)),
                _ => return Err(node.place.refuse("a key that is no plain word")),
            },
            (Content::List(items), _) => items.push(node),
            (Content::Scalar(..), _) => {}
        }
        Ok(())
    }
}

/// Values of a node, itself included: an alias counts as all that it stands for.
fn size(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(..) => 1,
        Content::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Content::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.value)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests;
