//! From what a pickle describes to the tensors of a state dict.

use candle_core::DType;

use super::unpickle::{Id, Object, Objects};
use crate::weights::state_key::TOP;

/// Dictionaries within dictionaries that are looked into.
const DEPTH: usize = 4;

/// The keys of a dictionary that an error names.
const LISTED: usize = 12;

/// One value of a state dict.
#[derive(Debug)]
pub(super) enum Entry {
    /// A tensor.
    Tensor(Described),
    /// Something else, in words.
    Other(String),
}

/// A tensor as the pickle describes it: a view of a storage.
#[derive(Debug)]
pub(super) struct Described {
    pub storage: Storage,
    pub shape: Vec<usize>,
    /// Elements from one to the next in each dimension.
    strides: Vec<usize>,
    /// Elements before the first.
    offset: usize,
}

/// Where a tensor's numbers are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// Its name in the file.
    pub name: String,
    /// Its type's name, such as `FloatStorage`.
    pub class: String,
    pub elements: usize,
}

impl Storage {
    /// The type of the elements, `None` if it is none that a weight has.
    pub fn dtype(&self) -> Option<DType> {
        Some(match self.class.as_str() {
            "FloatStorage" => DType::F32,
            "DoubleStorage" => DType::F64,
            "HalfStorage" => DType::F16,
            "BFloat16Storage" => DType::BF16,
            _ => return None,
        })
    }

    /// Bytes of an element, `None` for a type that is not known.
    pub fn element_size(&self) -> Option<usize> {
        Some(match self.class.as_str() {
            "ComplexDoubleStorage" => 16,
            "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
            "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
            "ByteStorage" | "CharStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage"
            | "UntypedStorage" => 1,
            _ => return None,
        })
    }

    /// The bytes of all elements.
    pub fn bytes(&self) -> Result<u64, String> {
        let size = self.element_size().and_then(|size| size.checked_mul(self.elements));
        size.map(|size| size as u64).ok_or_else(|| {
            let Self { name, class, elements } = self;
            format!("the storage `{name}` of {elements} elements of {class} cannot be read")
        })
    }

    /// The type in words: `int64` for `LongStorage`.
    pub fn type_name(&self) -> String {
        match self.class.as_str() {
            "LongStorage" => "i64".to_string(),
            "IntStorage" => "i32".to_string(),
            "ShortStorage" => "i16".to_string(),
            "CharStorage" => "i8".to_string(),
            "ByteStorage" => "u8".to_string(),
            class => class.trim_end_matches("Storage").to_lowercase(),
        }
    }
}

/// A dictionary with tensors, and the keys that lead to it.
#[derive(Debug)]
pub(super) struct State {
    /// The keys with dots between, [`TOP`] for none.
    pub key: String,
    pub dict: Id,
}

/// The dictionaries that hold weights, by keys that are text; what an optimizer keeps is none of them.
pub(super) fn states(objects: &Objects) -> Vec<State> {
    let mut states = Vec::new();
    let mut seen = vec![objects.root];
    let mut next = vec![State { key: TOP.to_string(), dict: objects.root }];
    for _ in 0..=DEPTH {
        for state in std::mem::take(&mut next) {
            let Some(items) = objects.dict(state.dict) else { continue };
            for &(key, dict) in &items {
                let Some(key) = objects.text(key) else { continue };
                let hidden = key.starts_with('_') || key.starts_with("optim");
                if hidden || seen.contains(&dict) || objects.dict(dict).is_none() {
                    continue;
                }
                seen.push(dict);
                let key = match state.key.as_str() {
                    TOP => key.to_string(),
                    above => format!("{above}.{key}"),
                };
                next.push(State { key, dict });
            }
            let is_weight = |&(_, value): &(Id, Id)| match entry(objects, value) {
                Ok(Entry::Tensor(tensor)) => {
                    tensor.storage.dtype().is_some() && !tensor.shape.is_empty()
                }
                Ok(Entry::Other(_)) => false,
                // A tensor that is told of when the dictionary is taken.
                Err(_) => true,
            };
            if items.iter().any(is_weight) {
                states.push(state);
            }
        }
    }
    states
}

/// What there is in place of a state dict.
pub(super) fn contents(objects: &Objects) -> String {
    let Some(items) = objects.dict(objects.root) else {
        return format!(
            "it holds {}, no dictionary of tensors; save the model's state_dict()",
            objects.describe(objects.root)
        );
    };
    let keys = items.iter().take(LISTED).map(|&(key, value)| match objects.text(key) {
        Some(key) => format!("`{key}` ({})", objects.describe(value)),
        None => objects.describe(key),
    });
    let keys: Vec<String> = keys.collect();
    let more = if items.len() > LISTED { ", …" } else { "" };
    match keys.is_empty() {
        true => "it holds an empty dictionary".to_string(),
        false => format!(
            "none of its dictionaries holds tensors: its keys are {}{more}; save the model's \
             state_dict()",
            keys.join(", ")
        ),
    }
}

/// The names and values of a dictionary.
pub(super) fn entries(objects: &Objects, dict: Id) -> Result<Vec<(String, Entry)>, String> {
    let items = objects.dict(dict).unwrap_or_default();
    let entries = items.into_iter().map(|(key, value)| {
        let name = objects.text(key).ok_or("a key of its dictionary is not text")?;
        let entry = entry(objects, value);
        let entry = entry.map_err(|e| format!("the tensor `{name}` cannot be read: {e}"))?;
        Ok((name.to_string(), entry))
    });
    entries.collect()
}

fn entry(objects: &Objects, mut id: Id) -> Result<Entry, String> {
    let wrong = || "it has no tensor".to_string();
    let (mut class, mut args) = (None, Vec::new());
    // What a call is of, or the call that its arguments describe.
    for _ in 0..=DEPTH {
        if let Object::Call { callable, args: list, .. } = objects.get(id) {
            class = objects.class(*callable);
            args = objects.list(*list).unwrap_or_default().to_vec();
        }
        match class {
            // (tensor, requires_grad, hooks)
            Some(
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
            ) => {
                id = *args.first().ok_or_else(wrong)?;
                class = None;
            }
            // (function, type, its arguments, state)
            Some("torch._tensor._rebuild_from_type_v2") => {
                let (Some(&function), Some(&list)) = (args.first(), args.get(2)) else {
                    return Err(wrong());
                };
                class = objects.class(function);
                args = objects.list(list).unwrap_or_default().to_vec();
                break;
            }
            _ => break,
        }
    }
    match class {
        Some("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor") => {
            described(objects, &args).map(Entry::Tensor)
        }
        _ => Ok(Entry::Other(objects.describe(id))),
    }
}

/// (storage, offset, size, stride, ...)
fn described(objects: &Objects, args: &[Id]) -> Result<Described, String> {
    let &[storage, offset, size, stride, ..] = args else {
        return Err("it has no storage, offset, size and stride".to_string());
    };
    let (shape, strides) = (numbers(objects, size)?, numbers(objects, stride)?);
    if shape.len() != strides.len() {
        return Err(format!("its size {shape:?} and stride {strides:?} differ in length"));
    }
    let Object::Persistent(id) = objects.get(storage) else {
        return Err("its storage cannot be read".to_string());
    };
    let (storage, before) = self::storage(objects, *id)?;
    let offset = number(objects, offset)?.checked_add(before);
    let offset = offset.ok_or("its offset is too large")?;
    Ok(Described { storage, shape, strides, offset })
}

/// ("storage", type, name, device, elements), in old files with (name, offset, elements) of a part;
/// gives the elements before the part, too.
pub(super) fn storage(objects: &Objects, id: Id) -> Result<(Storage, usize), String> {
    let wrong = || "its storage cannot be read".to_string();
    let parts = objects.list(id).ok_or_else(wrong)?;
    let &[_, class, name, _, elements, ref part @ ..] = parts else { return Err(wrong()) };
    let class = objects.class(class).ok_or_else(wrong)?;
    let storage = Storage {
        name: objects.text(name).ok_or_else(wrong)?.to_string(),
        class: class.rsplit('.').next().unwrap_or(class).to_string(),
        elements: number(objects, elements)?,
    };
    let before = match part.first().and_then(|part| objects.list(*part)) {
        Some(&[_, offset, _]) => number(objects, offset)?,
        _ => 0,
    };
    Ok((storage, before))
}

fn numbers(objects: &Objects, id: Id) -> Result<Vec<usize>, String> {
    // As `torch.Size`, which is a call with a list of its own.
    let list = match objects.get(id) {
        Object::Call { args, .. } => {
            objects.list(*args).and_then(|args| objects.list(*args.first()?))
        }
        _ => objects.list(id),
    };
    let list = list.ok_or("its size or stride is not a list")?;
    list.iter().map(|&number| self::number(objects, number)).collect()
}

fn number(objects: &Objects, id: Id) -> Result<usize, String> {
    match objects.get(id) {
        Object::Int(number) => {
            usize::try_from(*number).map_err(|_| format!("{number} is not a size"))
        }
        _ => Err("its size, stride or offset is not a number".to_string()),
    }
}
impl Described {
    /// The tensor's elements in row-major order, out of the bytes of its storage.
    pub fn gather(&self, storage: &[u8]) -> Result<Vec<u8>, String> {
        let size = self.storage.element_size().unwrap_or(1);
        let too_short = || {
            format!(
                "size {:?}, stride {:?} and offset {} do not fit a storage of {} elements",
                self.shape,
                self.strides,
                self.offset,
                storage.len() / size
            )
        };
        let elements = self
            .shape
            .iter()
            .try_fold(1usize, |n, &dim| n.checked_mul(dim))
            .filter(|n| *n <= storage.len())
            .ok_or_else(too_short)?;
        if elements == 0 {
            return Ok(Vec::new());
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |at, (&dim, &stride)| {
                (dim - 1).checked_mul(stride).and_then(|step| at.checked_add(step))
            })
            .and_then(|last| last.checked_add(1)?.checked_mul(size))
            .filter(|end| *end <= storage.len())
            .ok_or_else(too_short)?;
        if self.is_contiguous() {
            return Ok(storage[self.offset * size..last].to_vec());
        }
        let mut bytes = Vec::with_capacity(elements * size);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..elements {
            let at = index.iter().zip(&self.strides).fold(self.offset, |at, (i, s)| at + i * s);
            bytes.extend_from_slice(&storage[at * size..(at + 1) * size]);
            for (i, &dim) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < dim {
                    break;
                }
                *i = 0;
            }
        }
        Ok(bytes)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == expected;
            expected *= dim;
            fits
        })
    }
}
