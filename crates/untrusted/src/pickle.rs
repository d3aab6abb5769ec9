//! What a pickle describes, without doing any of it.
//!
//! A pickle is a program for a stack machine that builds Python objects. Here each becomes a plain
//! description: a class is a name, and a call is the name with its arguments. Whatever is used again is
//! the same object, so that a dictionary that is filled after it was noted is full everywhere, and so that
//! the memory is bounded by the pickle's length.
//!
//! All that protocols 2 to 5 write is read (`Lib/pickletools.py`), Python 2's strings too.

mod objects;

use std::collections::HashMap;

pub use objects::{Id, NAME_LIMIT, Object, Objects};

/// The pickles themselves, without the tensors, in bytes; that of a ResNet-18 has 40 thousand.
pub const PICKLE_LIMIT: u64 = 64 << 20;

/// Operations of a pickle; a tensor takes some 40, a number in a list one.
pub const OPERATIONS_LIMIT: usize = 1 << 22;

/// Bytes of the name of a class, and of a line.
const CLASS_LIMIT: usize = 256;

/// Letters of a number that is none, in its error.
const SHOWN: usize = 40;

/// Reads the pickle that `bytes` begin with; gives its length, too.
///
/// # Errors
///
/// It is cut short, has an operation of another protocol or too many, or lacks what an operation takes.
pub fn unpickle(bytes: &[u8]) -> Result<(Objects, usize), String> {
    let mut machine = Machine { rest: bytes, length: bytes.len(), ..Machine::default() };
    for _ in 0..OPERATIONS_LIMIT {
        if machine.step()? {
            let root = machine.pop()?;
            return Ok((
                Objects { objects: machine.objects, root },
                bytes.len() - machine.rest.len(),
            ));
        }
    }
    Err("its pickle has too many operations; save the model's state_dict() alone".to_string())
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    /// Bytes of the whole.
    length: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// The heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Carries out one operation; whether it was the last one.
    fn step(&mut self) -> Result<bool, String> {
        match self.number(1)? as u8 {
            b'.' => return Ok(true),
            // Protocol and frames: how the pickle is written.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.down_to_mark()?),
            b'2' => self.stack.push(self.last()?),
            b'N' => self.push(Object::None),
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let number = self.number(4)? as u32 as i32;
                self.push(Object::Int(number.into()));
            }
            // Python 2's of more than 32 bits.
            b'I' => {
                let line = self.line()?;
                let start = line.chars().take(SHOWN).collect::<String>();
                let number = line.parse().map_err(|_| format!("{start:?} is not a number"))?;
                self.push(Object::Int(number));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => {
                self.take(8)?;
                self.push(Object::Float);
            }
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            b']' | b')' | 0x8f => self.push(Object::List(Vec::new())),
            b't' | b'l' | 0x91 => {
                let items = self.down_to_mark()?;
                self.push(Object::List(items));
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.down_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Object::Dict(Vec::new())),
            b'd' => {
                let items = self.down_to_mark()?;
                self.push(Object::Dict(Vec::new()));
                self.set_items(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.down_to_mark()?;
                self.set_items(items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(class_of(&module, &name)?);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let class = match (&self.objects[module], &self.objects[name]) {
                    (Object::Text(module), Object::Text(name)) => class_of(module, name)?,
                    _ => return Err("a name of a class is not text".to_string()),
                };
                self.push(class);
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                // Arguments by name are none that a tensor has.
                self.pop()?;
                self.call()?;
            }
            b'b' => {
                let built_of = self.pop()?;
                let object = self.last()?;
                if let Object::Call { state, .. } = &mut self.objects[object] {
                    *state = Some(built_of);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            b'q' => self.note(1)?,
            b'r' => self.note(4)?,
            0x94 => {
                let object = self.last()?;
                self.memo.insert(self.memo.len() as u64, object);
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            operation => {
                return Err(format!("its pickle has an unknown operation {operation:#04x}"));
            }
        }
        Ok(false)
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    /// The top of the stack, down to the last mark.
    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(empty),
            false => Err(empty()),
        }
    }

    fn last(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(empty)
    }

    fn down_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(empty)?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("its pickle ends too soon")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of `length` bytes, the lowest first.
    fn number(&mut self, length: usize) -> Result<u64, String> {
        Ok(self.take(length)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The bytes behind their number.
    fn counted(&mut self, length: usize) -> Result<&'a [u8], String> {
        let count = self.number(length)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Result<String, String> {
        let some = &self.rest[..self.rest.len().min(CLASS_LIMIT + 1)];
        let end = some.iter().position(|&byte| byte == b'\n').ok_or_else(|| {
            match some.len() > CLASS_LIMIT {
                true => format!("a line of its pickle is longer than {CLASS_LIMIT} bytes"),
                false => "its pickle ends too soon".to_string(),
            }
        })?;
        let line = self.take(end + 1)?;
        Ok(String::from_utf8_lossy(line).trim_end().to_string())
    }

    fn int(&mut self, length: usize) -> Result<(), String> {
        let number = self.number(length)?;
        self.push(Object::Int(number as i64));
        Ok(())
    }

    fn long(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.counted(length)?.to_vec();
        let sign = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        self.push(match bytes.len() {
            0..=8 => {
                let mut whole = [if sign { 0xff } else { 0 }; 8];
                whole[..bytes.len()].copy_from_slice(&bytes);
                Object::Int(i64::from_le_bytes(whole))
            }
            _ => Object::Long(bytes),
        });
        Ok(())
    }

    /// Text; Python 2's strings, too, which may be of any bytes.
    fn text(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.counted(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let text = Object::Text(text.to_owned());
                self.push(text);
            }
            Err(_) => self.push_bytes(bytes.len()),
        }
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<(), String> {
        let length = self.counted(length)?.len();
        self.push_bytes(length);
        Ok(())
    }

    /// Pushes the last bytes that were taken.
    fn push_bytes(&mut self, length: usize) {
        let end = self.length - self.rest.len();
        self.push(Object::Bytes(end - length..end));
    }

    fn tuple(&mut self, length: usize) -> Result<(), String> {
        let mut items = (0..length).map(|_| self.pop()).collect::<Result<Vec<Id>, _>>()?;
        items.reverse();
        self.push(Object::List(items));
        Ok(())
    }

    /// Puts items into the list on top; those of a class that is a list are not kept.
    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = self.last()?;
        if let Object::List(known) = &mut self.objects[list] {
            known.extend(items);
        }
        Ok(())
    }

    fn set_items(&mut self, flat: Vec<Id>) -> Result<(), String> {
        let dict = self.last()?;
        if let Object::Dict(items) | Object::Call { items, .. } = &mut self.objects[dict] {
            items.extend(flat.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (args, callable) = (self.pop()?, self.pop()?);
        self.push(Object::Call { callable, args, items: Vec::new(), state: None });
        Ok(())
    }

    fn note(&mut self, length: usize) -> Result<(), String> {
        let (key, object) = (self.number(length)?, self.last()?);
        self.memo.insert(key, object);
        Ok(())
    }

    fn recall(&mut self, length: usize) -> Result<(), String> {
        let key = self.number(length)?;
        let object = self.memo.get(&key).copied();
        self.stack.push(object.ok_or("its pickle uses again what it did not keep")?);
        Ok(())
    }
}

fn class_of(module: &str, name: &str) -> Result<Object, String> {
    match module.len() + name.len() < CLASS_LIMIT {
        true => Ok(Object::Class(format!("{module}.{name}"))),
        false => Err(format!("a name of a class is longer than {CLASS_LIMIT} bytes")),
    }
}

fn empty() -> String {
    "its pickle takes more from its stack than there is".to_string()
}

#[cfg(test)]
mod tests;
