//! Python's pickle format, as far as a state dict needs it.
//!
//! A pickle is a program for a small stack machine (Python's `pickletools` documents its opcodes),
//! and the format lets it call any function by name. This machine knows the few names of a state
//! dict and makes plain data of them; any other name is an error, and nothing is ever called.
//!
//! Objects lie in one list and refer to each other by their places, so that neither cycles nor
//! depth can do harm; each opcode adds at most one, so that memory is bounded by the pickle's size.

use std::collections::HashMap;

use safetensors::tensor::Dtype;

use super::globals::{self, Global};

/// A pickle of a state dict has some two hundred bytes per tensor; more than this is none.
const LARGEST: usize = 4 << 20;

/// A Python value. Texts are borrowed from the pickle.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    None,
    Integer(i64),
    Text(&'a str),
    /// What is read over: booleans, floats, bytes, integers of more than 64 bits, lists and sets.
    Other,
    Global(Global),
    /// By its place among all of a pickle's objects.
    Object(usize),
}

/// What a [`Value`] can refer to.
#[derive(Debug)]
pub enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(Box<Tensor<'a>>),
}

/// Memory that tensors lie in: the entry `data/<key>` of the archive.
#[derive(Clone, Copy, Debug)]
pub struct Storage<'a> {
    pub dtype: Dtype,
    pub key: &'a str,
    /// In elements.
    pub len: u64,
}

/// A view of a storage, as the pickle claims it to be: nothing is checked yet.
#[derive(Debug)]
pub struct Tensor<'a> {
    pub storage: Storage<'a>,
    /// In elements, as are strides.
    pub offset: Value<'a>,
    /// A tuple, as are strides.
    pub shape: Value<'a>,
    pub strides: Value<'a>,
}

/// All that a pickle makes.
#[derive(Debug)]
pub struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    pub root: Value<'a>,
}

impl<'a> Pickle<'a> {
    /// What a value refers to, if it does.
    pub fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        match value {
            Value::Object(place) => self.objects.get(place),
            _ => None,
        }
    }
}

/// Reads a pickle.
pub fn read(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    if bytes.len() > LARGEST {
        let (size, most) = (bytes.len() >> 20, LARGEST >> 20);
        return Err(format!(
            "its data.pkl has {size} MiB, which is more than names and shapes can take ({most} \
             MiB); save the weights alone: torch.save(model.state_dict(), \"weights.pt\")"
        ));
    }
    let mut machine = Machine { bytes, ..Machine::default() };
    let root = loop {
        let at = machine.at;
        let step = machine.byte().and_then(|opcode| machine.step(opcode));
        match step {
            Ok(None) => {}
            Ok(Some(root)) => break root,
            Err(Fault::Refused(what)) => return Err(what),
            Err(Fault::Damaged(what)) => {
                return Err(format!(
                    "its data.pkl cannot be read at byte {at} ({what}); copy or write the file \
                     again"
                ));
            }
        }
    };
    Ok(Pickle { objects: machine.objects, root })
}

/// Why a pickle is not read on.
pub enum Fault {
    /// It is whole, but is not to be had; the line says all.
    Refused(String),
    /// It is not what a pickle of a state dict is.
    Damaged(&'static str),
}

pub type Step<T> = Result<T, Fault>;

pub fn damaged<T>(what: &'static str) -> Step<T> {
    Err(Fault::Damaged(what))
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at which collections begin.
    marks: Vec<usize>,
    memo: HashMap<u64, Value<'a>>,
}

impl<'a> Machine<'a> {
    /// One opcode, by the names that `pickletools` has for them. The last one yields the result.
    fn step(&mut self, opcode: u8) -> Step<Option<Value<'a>>> {
        match opcode {
            0x80 => drop(self.byte()?),  // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?), // DUP

            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Other), // NEWTRUE, NEWFALSE
            b'G' => self.other(8)?,                       // BINFLOAT
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => self.signed(4)?,
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'U' | b'C' => self.skipped(1)?, // strings of Python 2 and bytes
            b'T' | b'B' => self.skipped(4)?,
            0x8e | 0x96 => self.skipped(8)?,

            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items));
            }
            b'}' => self.push(Object::Dict(Vec::new())),
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            b']' | 0x8f => self.stack.push(Value::Other), // EMPTY_LIST, EMPTY_SET
            b'a' => drop(self.pop_many(2).map(|_| self.stack.push(Value::Other))?),
            b'e' | 0x90 => drop(self.pop_to_mark()?), // APPENDS, ADDITEMS
            0x91 => {
                self.pop_to_mark()?; // FROZENSET
                self.stack.push(Value::Other);
            }

            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => drop(self.memo.insert(self.memo.len() as u64, self.top()?)), // MEMOIZE
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(globals::find(module, name)?));
            }
            0x93 => {
                let [Value::Text(module), Value::Text(name)] = self.pop_many(2)?[..] else {
                    return damaged("a global without a name");
                };
                self.stack.push(Value::Global(globals::find(module, name)?));
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = globals::storage(self.items(id)?)?;
                self.push(Object::Storage(storage));
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            _ => return damaged("an opcode that no state dict has"),
        }
        Ok(None)
    }

    /// What calling a known name comes to.
    fn reduce(&mut self) -> Step<()> {
        let [Value::Global(callee), arguments] = self.pop_many(2)?[..] else {
            return damaged("a call of what has no name");
        };
        let arguments = self.items(arguments)?;
        let made = match (callee, arguments) {
            (Global::OrderedDict, []) => Object::Dict(Vec::new()),
            (Global::RebuildTensor, &[Value::Object(storage), offset, shape, strides, ..]) => {
                let Some(&Object::Storage(storage)) = self.objects.get(storage) else {
                    return damaged("a tensor without a storage");
                };
                Object::Tensor(Box::new(Tensor { storage, offset, shape, strides }))
            }
            // A parameter is its tensor.
            (Global::RebuildParameter, &[tensor, ..]) => {
                self.stack.push(tensor);
                return Ok(());
            }
            _ => return damaged("a call with arguments that it never has"),
        };
        self.push(made);
        Ok(())
    }

    /// Attributes beside the items of an `OrderedDict`, such as `_metadata`: read over.
    fn build(&mut self) -> Step<()> {
        self.pop()?;
        match self.top()? {
            Value::Object(place) if matches!(self.objects.get(place), Some(Object::Dict(_))) => {
                Ok(())
            }
            _ => damaged("attributes of what has none"),
        }
    }

    fn set_items(&mut self, items: &[Value<'a>]) -> Step<()> {
        let Value::Object(place) = self.top()? else { return damaged("items of no dict") };
        let Some(Object::Dict(dict)) = self.objects.get_mut(place) else {
            return damaged("items of no dict");
        };
        let (pairs, rest) = items.as_chunks::<2>();
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        if rest.is_empty() { Ok(()) } else { damaged("a key without a value") }
    }

    /// The items of a tuple.
    fn items(&self, value: Value<'a>) -> Step<&[Value<'a>]> {
        match value {
            Value::Object(place) => match self.objects.get(place) {
                Some(Object::Tuple(items)) => Ok(items),
                _ => damaged("no tuple where one is due"),
            },
            _ => damaged("no tuple where one is due"),
        }
    }
}

/// The stack and the memo.
impl<'a> Machine<'a> {
    fn push(&mut self, object: Object<'a>) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn pop(&mut self) -> Step<Value<'a>> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn top(&self) -> Step<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&value) if self.stack.len() > floor => Ok(value),
            _ => damaged("an empty stack"),
        }
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Value<'a>>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= floor => Ok(self.stack.split_off(from)),
            _ => damaged("an empty stack"),
        }
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value<'a>>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => damaged("no beginning of a collection"),
        }
    }

    fn tuple(&mut self, count: usize) -> Step<()> {
        let items = self.pop_many(count)?;
        self.push(Object::Tuple(items));
        Ok(())
    }

    fn put(&mut self, size: usize) -> Step<()> {
        let key = self.unsigned(size)?;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn get(&mut self, size: usize) -> Step<()> {
        let key = self.unsigned(size)?;
        match self.memo.get(&key) {
            Some(&value) => {
                self.stack.push(value);
                Ok(())
            }
            None => damaged("a memory of what never was"),
        }
    }
}

/// The bytes.
impl<'a> Machine<'a> {
    fn take(&mut self, count: u64) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => damaged("it ends there"),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// Of up to 8 bytes.
    fn unsigned(&mut self, size: usize) -> Step<u64> {
        let taken = self.take(size as u64)?;
        Ok(taken.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn integer(&mut self, size: usize) -> Step<()> {
        let number = self.unsigned(size)?;
        self.stack.push(Value::Integer(number as i64));
        Ok(())
    }

    /// In two's complement, of 1 to 8 bytes.
    fn signed(&mut self, size: usize) -> Step<()> {
        let unused = 64 - 8 * size as u32;
        let number = self.unsigned(size)?;
        self.stack.push(Value::Integer((number << unused) as i64 >> unused));
        Ok(())
    }

    fn long(&mut self, size: usize) -> Step<()> {
        match self.unsigned(size)? {
            0 => self.stack.push(Value::Integer(0)),
            count @ 1..=8 => self.signed(count as usize)?,
            count => self.other(count)?,
        }
        Ok(())
    }

    fn text(&mut self, size: usize) -> Step<()> {
        let count = self.unsigned(size)?;
        match std::str::from_utf8(self.take(count)?) {
            Ok(text) => self.stack.push(Value::Text(text)),
            Err(_) => return damaged("a text that is not UTF-8"),
        }
        Ok(())
    }

    fn skipped(&mut self, size: usize) -> Step<()> {
        let count = self.unsigned(size)?;
        self.other(count)
    }

    fn other(&mut self, count: u64) -> Step<()> {
        self.take(count)?;
        self.stack.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return damaged("it ends there");
        };
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).or_else(|_| damaged("a name that is not UTF-8"))
    }
}
