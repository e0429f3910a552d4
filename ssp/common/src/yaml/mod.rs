//! YAML as people write it for Python: read with the line of everything, and written back.
//!
//! A scalar keeps its text, so that an ID 001 stays what it is; what number or truth it stands for
//! is asked later. `None` is none, quoted or not, and `1e-4` is a number (Python's own reader takes
//! both for text).

mod scalar;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use crate::{Error, Result, text};

pub use write::{flow as to_flow, to_text};

/// Lists and mappings lie within each other at most this deep, what aliases stand for included. Functions
/// that walk a tree call themselves for each level.
const DEEPEST: usize = 32;

/// Most values of a file, each as often as an alias repeats it.
const MOST_VALUES: usize = 1_000_000;

/// Most bytes of text of a file, each as often as an alias repeats it.
const MOST_BYTES: usize = 64 << 20;

/// Longest text of a value that a message quotes, in characters.
const LONGEST_QUOTE: usize = 80;

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
        let file = self.file.display().to_string();
        write!(f, "{}, line {}", text::line(&file), self.line)
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

    /// As JSON with every scalar as its text, but for what stands for nothing.
    pub fn texts(&self) -> Value {
        match &self.content {
            Content::Scalar(text, _) if !self.value().is_null() => Value::from(text.as_str()),
            Content::Scalar(..) => Value::Null,
            Content::List(items) => items.iter().map(Node::texts).collect(),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.texts())).collect())
            }
        }
    }

    /// What it is, for messages; the beginning of a long text.
    pub fn described(&self) -> String {
        let text = match &self.content {
            Content::Scalar(text, _) => text,
            Content::Map(_) => return "a section".into(),
            Content::List(_) => &write::flow(&self.value()),
        };
        match text.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.clone(),
        }
    }
}

/// Reads the documents of a file. Empty ones are passed over.
///
/// # Errors
/// When the file cannot be read, or is not YAML; the line says where.
pub fn read(path: &Path) -> Result<Vec<Node>> {
    let fail = |error| Error::io(path, error);
    let file = File::open(path).map_err(fail)?;
    let mut text = String::new();
    // A device or pipe has no length that could be asked for.
    file.take(MOST_BYTES as u64 + 1).read_to_string(&mut text).map_err(fail)?;
    parse(&text, path)
}

/// As [`read`], of text that is there; `path` is for messages.
///
/// # Errors
/// When it is not YAML.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Node>> {
    if text.len() > MOST_BYTES {
        return Err(Error::Setting(format!("{}: {}", path.display(), too_long())));
    }
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

/// A value whose quoted numbers and truths are numbers and truths.
pub fn unquoted(value: &Value) -> Value {
    match value {
        Value::String(text) => match scalar::value(text, true) {
            found @ (Value::Number(_) | Value::Bool(_)) => found,
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(unquoted).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), unquoted(value))).collect())
        }
        value => value.clone(),
    }
}

/// Puts nodes together from what the parser comes by.
#[derive(Default)]
struct Builder {
    file: Arc<PathBuf>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Extent)>,
    values: usize,
    bytes: usize,
}

/// A list or mapping that is not at its end, with its anchor, the key that waits for a value, and the
/// lines of the keys so far.
struct Open {
    node: Node,
    anchor: usize,
    waiting: Option<(String, Place)>,
    lines: HashMap<String, usize>,
}

fn too_long() -> String {
    format!("more than {} MiB of text", MOST_BYTES >> 20)
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
            Event::Alias(anchor) => self.repeat(anchor, place),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, place: Place) -> Result<()> {
        if self.open.len() == DEEPEST {
            return Err(too_deep(&place));
        }
        let node = Node { content, place };
        self.open.push(Open { node, anchor, waiting: None, lines: HashMap::new() });
        Ok(())
    }

    /// Adds what an anchor marks once more. Its cost is known, so that it is refused before it is copied.
    fn repeat(&mut self, anchor: usize, place: Place) -> Result<()> {
        let Some((_, extent)) = self.anchors.get(&anchor) else {
            return Err(place.refuse("an alias of what is not there yet"));
        };
        let extent = *extent;
        if self.open.len() + extent.depth > DEEPEST {
            return Err(too_deep(&place));
        }
        self.count(extent, &place)?;
        match self.anchors.get(&anchor) {
            Some((node, _)) => self.place_node(node.clone()),
            None => Ok(()),
        }
    }

    fn count(&mut self, extent: Extent, place: &Place) -> Result<()> {
        self.values += extent.values;
        self.bytes += extent.bytes;
        if self.values > MOST_VALUES {
            return Err(place.refuse(format!("more than {MOST_VALUES} values")));
        }
        if self.bytes > MOST_BYTES {
            return Err(place.refuse(too_long()));
        }
        Ok(())
    }

    /// Adds a node whose parts are counted.
    fn add(&mut self, node: Node, anchor: usize) -> Result<()> {
        let bytes = match &node.content {
            Content::Scalar(text, _) => text.len(),
            _ => 0,
        };
        self.count(Extent { values: 1, bytes, depth: 0 }, &node.place)?;
        if anchor > 0 {
            let extent = Extent::of(&node);
            // The copy takes as much as another use of it.
            self.count(extent, &node.place)?;
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        self.place_node(node)
    }

    fn place_node(&mut self, node: Node) -> Result<()> {
        let Some(Open { node: parent, waiting, lines, .. }) = self.open.last_mut() else {
            let empty = matches!(&node.content, Content::Scalar(text, true) if text.is_empty());
            self.documents.extend((!empty).then_some(node));
            return Ok(());
        };
        match (&mut parent.content, waiting.take()) {
            (Content::Map(entries), Some((key, place))) => {
                if let Some(line) = lines.insert(key.clone(), place.line) {
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

fn too_deep(place: &Place) -> Error {
    place.refuse(format!("is nested more than {DEEPEST} levels deep"))
}

/// What a node takes, all that is in it included.
#[derive(Clone, Copy)]
struct Extent {
    values: usize,
    bytes: usize,
    /// Lists and mappings within each other.
    depth: usize,
}

impl Extent {
    fn of(node: &Node) -> Extent {
        let mut all = Extent { values: 1, bytes: 0, depth: 0 };
        let mut add = |part: Extent| {
            all.values += part.values;
            all.bytes += part.bytes;
            all.depth = all.depth.max(part.depth + 1);
        };
        match &node.content {
            Content::Scalar(text, _) => all.bytes = text.len(),
            Content::List(items) => items.iter().map(Extent::of).for_each(add),
            Content::Map(entries) => entries.iter().for_each(|entry| {
                add(Extent { bytes: entry.key.len(), values: 1, depth: 0 });
                add(Extent::of(&entry.value));
            }),
        }
        all
    }
}

#[cfg(test)]
mod tests;
