//! What a pickle describes: objects, and what they are in words.

use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a name of a tensor, and of a key: one that is used again and again must not fill the memory.
pub const NAME_LIMIT: usize = 4096;

/// Functions that make a tensor whose numbers are not read, after `torch._utils._rebuild_`, and in words.
const UNREADABLE: [(&str, &str); 7] = [
    ("qtensor", "a quantized tensor"),
    ("sparse_tensor", "a sparse tensor"),
    ("sparse_csr_tensor", "a sparse tensor"),
    ("nested_tensor", "a nested tensor"),
    ("tensor_v3", "a tensor of a new type"),
    ("device_tensor_from_numpy", "a tensor of another device, kept as a NumPy array"),
    ("meta_tensor_no_storage", "a tensor without values"),
];

/// An object's place among [`Objects`].
pub type Id = usize;

/// What is known of an object.
#[derive(Debug)]
pub enum Object {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number of more than 64 bits, its bytes from the lowest to the highest.
    Long(Vec<u8>),
    /// A number with a point, which nobody asks for.
    Float,
    /// Text.
    Text(String),
    /// Bytes, by their place in the pickle; text of Python 2 that is not UTF-8, too.
    Bytes(Range<usize>),
    /// A tuple, a list or a set.
    List(Vec<Id>),
    /// A dictionary, by its keys and values.
    Dict(Vec<(Id, Id)>),
    /// `module.name`.
    Class(String),
    /// What a call would give.
    Call {
        /// What would be called.
        callable: Id,
        /// With what.
        args: Id,
        /// The items that are put into the result.
        items: Vec<(Id, Id)>,
        /// What it is built of.
        state: Option<Id>,
    },
    /// What the file has outside of the pickle, by a description.
    Persistent(Id),
}

/// The objects of a pickle.
#[derive(Debug)]
pub struct Objects {
    pub(super) objects: Vec<Object>,
    /// The object that the pickle is of.
    pub root: Id,
}

impl Objects {
    /// The object of a place.
    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter()
    }

    /// The text that an object is.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn list(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::List(items) => Some(items),
            _ => None,
        }
    }

    /// The bytes that an object is, however they were written: as such, as text of Python 2, or as Python 3
    /// writes them for Python 2, `_codecs.encode(text, "latin1")`. `pickle` is what was read.
    pub fn bytes<'a>(&'a self, id: Id, pickle: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self.get(id) {
            Object::Bytes(place) => Some(Cow::Borrowed(pickle.get(place.clone())?)),
            Object::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            _ => self.encoded(id)?.chars().map(|letter| u8::try_from(letter).ok()).collect(),
        }
    }

    /// As [`bytes`](Self::bytes), of names: none of more than [`NAME_LIMIT`] bytes, which is not copied either.
    pub fn name<'a>(&'a self, id: Id, pickle: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        // A letter takes two bytes at most.
        let is_long = self.encoded(id).is_some_and(|text| text.len() > 2 * NAME_LIMIT);
        let name = if is_long { None } else { self.bytes(id, pickle) };
        name.filter(|name| name.len() <= NAME_LIMIT)
    }

    /// The letters that Python 3 has written for Python 2's bytes.
    fn encoded(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Call { callable, args, .. }
                if self.class(*callable) == Some("_codecs.encode") =>
            {
                self.text(*self.list(*args)?.first()?)
            }
            _ => None,
        }
    }

    /// The name of a class.
    pub fn class(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Class(name) => Some(name),
            _ => None,
        }
    }

    /// The items of a dictionary, or of an object of a class that is one.
    pub fn dict(&self, id: Id) -> Option<Vec<(Id, Id)>> {
        match self.get(id) {
            Object::Dict(items) => Some(items.clone()),
            Object::Call { items, .. } if !items.is_empty() => Some(items.clone()),
            Object::Call { callable, args, .. } if self.is_dict_class(*callable) => {
                // As Python 2 writes an `OrderedDict`: a list of pairs.
                let pairs = self.list(*args).and_then(|args| self.list(*args.first()?));
                let pair = |id: &Id| match self.list(*id) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                };
                pairs.unwrap_or_default().iter().map(pair).collect()
            }
            _ => None,
        }
    }

    fn is_dict_class(&self, id: Id) -> bool {
        self.class(id).is_some_and(|name| name.ends_with("Dict") || name.ends_with("dict"))
    }

    /// Whether [`dict`](Self::dict) may have something.
    pub fn is_dict(&self, id: Id) -> bool {
        match self.get(id) {
            Object::Dict(_) => true,
            Object::Call { callable, items, .. } => {
                !items.is_empty() || self.is_dict_class(*callable)
            }
            _ => false,
        }
    }

    /// In words an array or a tensor whose numbers are not read; `None` for all else.
    pub fn unreadable(&self, id: Id) -> Option<&'static str> {
        let Object::Call { callable, .. } = self.get(id) else { return None };
        let name = self.class(*callable)?;
        if name.contains("numpy") && name.ends_with("_reconstruct") {
            return Some("a NumPy array");
        }
        let function = name.strip_prefix("torch._utils._rebuild_")?;
        UNREADABLE.iter().find(|(known, _)| *known == function).map(|(_, what)| *what)
    }

    /// What an object is, in words.
    pub fn describe(&self, id: Id) -> String {
        if let Some(what) = self.unreadable(id) {
            return format!("{what}, which is not read");
        }
        match self.get(id) {
            Object::None => "None".to_string(),
            Object::Bool(_) => "a truth value".to_string(),
            Object::Int(_) | Object::Long(_) | Object::Float => "a number".to_string(),
            Object::Text(_) => "text".to_string(),
            Object::Bytes(_) => "bytes".to_string(),
            Object::List(_) => "a list".to_string(),
            Object::Dict(_) => "a dictionary".to_string(),
            Object::Class(name) => format!("the class {name}"),
            Object::Call { callable, .. } => match self.class(*callable) {
                Some(name) if name.contains("numpy") => "a number".to_string(),
                Some(name) => format!("an object of {name}"),
                None => "an object".to_string(),
            },
            Object::Persistent(_) => "a storage".to_string(),
        }
    }
}
