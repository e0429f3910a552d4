//! Python's pickle format, as far as a state dict needs it.
//!
//! A pickle is a program for a small stack machine (Python's `pickletools` documents its opcodes),
//! and the format lets it call any function by name. This machine knows the few names of a state
//! dict and makes plain data of them; any other name is an error, and nothing is ever called.
//!
//! Objects are in one list and refer to each other by index, so that neither cycles nor depth can do
//! harm; each opcode adds at most one, so that memory is bounded by the pickle's size.

use std::collections::HashMap;

use super::globals;
use super::value::{
    Global, Object, Pickle, PickleError, PickleResult, PickledTensor, Value, damaged,
};

/// In bytes. The pickle of a state dict has about two hundred per tensor, so a larger one is none.
const LARGEST: usize = 4 << 20;

/// Reads a pickle.
pub fn read(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    if bytes.len() > LARGEST {
        let (size, most) = (bytes.len() >> 20, LARGEST >> 20);
        return Err(format!(
            "its data.pkl has {size} MiB, which is more than names and shapes can need ({most} \
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
            Err(PickleError::Refused(what)) => return Err(what),
            Err(PickleError::Damaged(what)) => {
                return Err(format!(
                    "its data.pkl cannot be read at byte {at} ({what}); copy or write the file \
                     again"
                ));
            }
        }
    };
    Ok(Pickle { objects: machine.objects, root })
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Value<'a>>,
    /// Lengths of the stack at which collections begin.
    marks: Vec<usize>,
    memo: HashMap<u64, Value<'a>>,
}

impl<'a> Machine<'a> {
    /// Executes one opcode; names in comments are those of `pickletools`. The last one returns the result.
    fn step(&mut self, opcode: u8) -> PickleResult<Option<Value<'a>>> {
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

    /// The result of calling a known name.
    fn reduce(&mut self) -> PickleResult<()> {
        let [Value::Global(callee), arguments] = self.pop_many(2)?[..] else {
            return damaged("a call of something without a name");
        };
        let arguments = self.items(arguments)?;
        let made = match (callee, arguments) {
            (Global::OrderedDict, []) => Object::Dict(Vec::new()),
            (Global::RebuildTensor, &[Value::Object(storage), offset, shape, strides, ..]) => {
                let Some(&Object::Storage(storage)) = self.objects.get(storage) else {
                    return damaged("a tensor without a storage");
                };
                Object::Tensor(Box::new(PickledTensor { storage, offset, shape, strides }))
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

    /// Attributes beside the items of an `OrderedDict`, such as `_metadata`: ignored.
    fn build(&mut self) -> PickleResult<()> {
        self.pop()?;
        match self.top()? {
            Value::Object(index) if matches!(self.objects.get(index), Some(Object::Dict(_))) => {
                Ok(())
            }
            _ => damaged("attributes of an object without any"),
        }
    }

    fn set_items(&mut self, items: &[Value<'a>]) -> PickleResult<()> {
        let Value::Object(index) = self.top()? else { return damaged("items of no dict") };
        let Some(Object::Dict(dict)) = self.objects.get_mut(index) else {
            return damaged("items of no dict");
        };
        let (pairs, rest) = items.as_chunks::<2>();
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        if rest.is_empty() { Ok(()) } else { damaged("a key without a value") }
    }

    /// The items of a tuple.
    fn items(&self, value: Value<'a>) -> PickleResult<&[Value<'a>]> {
        match value {
            Value::Object(index) => match self.objects.get(index) {
                Some(Object::Tuple(items)) => Ok(items),
                _ => damaged("no tuple where one is expected"),
            },
            _ => damaged("no tuple where one is expected"),
        }
    }
}

/// The stack and the memo.
impl<'a> Machine<'a> {
    fn push(&mut self, object: Object<'a>) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn pop(&mut self) -> PickleResult<Value<'a>> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn top(&self) -> PickleResult<Value<'a>> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&value) if self.stack.len() > bottom => Ok(value),
            _ => damaged("an empty stack"),
        }
    }

    fn pop_many(&mut self, count: usize) -> PickleResult<Vec<Value<'a>>> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= bottom => Ok(self.stack.split_off(from)),
            _ => damaged("an empty stack"),
        }
    }

    fn pop_to_mark(&mut self) -> PickleResult<Vec<Value<'a>>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => damaged("a collection that never began"),
        }
    }

    fn tuple(&mut self, count: usize) -> PickleResult<()> {
        let items = self.pop_many(count)?;
        self.push(Object::Tuple(items));
        Ok(())
    }

    fn put(&mut self, size: usize) -> PickleResult<()> {
        let key = self.unsigned(size)?;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn get(&mut self, size: usize) -> PickleResult<()> {
        let key = self.unsigned(size)?;
        match self.memo.get(&key) {
            Some(&value) => {
                self.stack.push(value);
                Ok(())
            }
            None => damaged("a memo entry that was never stored"),
        }
    }
}

/// The bytes.
impl<'a> Machine<'a> {
    fn take(&mut self, count: u64) -> PickleResult<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => damaged("it ends there"),
        }
    }

    fn byte(&mut self) -> PickleResult<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// Of up to 8 bytes.
    fn unsigned(&mut self, size: usize) -> PickleResult<u64> {
        let taken = self.take(size as u64)?;
        Ok(taken.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn integer(&mut self, size: usize) -> PickleResult<()> {
        let number = self.unsigned(size)?;
        self.stack.push(Value::Integer(number as i64));
        Ok(())
    }

    /// In two's complement, of 1 to 8 bytes.
    fn signed(&mut self, size: usize) -> PickleResult<()> {
        let unused = 64 - 8 * size as u32;
        let number = self.unsigned(size)?;
        self.stack.push(Value::Integer((number << unused) as i64 >> unused));
        Ok(())
    }

    fn long(&mut self, size: usize) -> PickleResult<()> {
        match self.unsigned(size)? {
            0 => self.stack.push(Value::Integer(0)),
            count @ 1..=8 => self.signed(count as usize)?,
            count => self.other(count)?,
        }
        Ok(())
    }

    fn text(&mut self, size: usize) -> PickleResult<()> {
        let count = self.unsigned(size)?;
        match std::str::from_utf8(self.take(count)?) {
            Ok(text) => self.stack.push(Value::Text(text)),
            Err(_) => return damaged("a string that is not UTF-8"),
        }
        Ok(())
    }

    fn skipped(&mut self, size: usize) -> PickleResult<()> {
        let count = self.unsigned(size)?;
        self.other(count)
    }

    fn other(&mut self, count: u64) -> PickleResult<()> {
        self.take(count)?;
        self.stack.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> PickleResult<&'a str> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return damaged("it ends there");
        };
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).or_else(|_| damaged("a name that is not UTF-8"))
    }
}
