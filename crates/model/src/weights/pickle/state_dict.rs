//! From what a pickle describes to the tensors of a state dict.

use std::collections::HashSet;

use candle_core::DType;
use taper_untrusted::pickle::{Id, NAME_LIMIT, OPERATIONS_LIMIT, Object, Objects};

use crate::weights::error::LISTED;
use crate::weights::state_key::{TOP, is_averaged};

/// Dictionaries within dictionaries that are looked into.
const DEPTH: usize = 4;

/// The dimensions of a tensor.
const RANK_LIMIT: usize = 8;

/// One value of a state dict.
#[derive(Debug)]
pub(super) enum Entry {
    /// A tensor.
    Tensor(Described),
    /// An array or a tensor that is not read, in words.
    Unreadable(String),
    /// Something else.
    Other,
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
            "FloatStorage" | "IntStorage" | "QInt32Storage" | "ComplexHalfStorage" => 4,
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

/// A dictionary with weights.
#[derive(Debug)]
pub(super) struct State<'a> {
    /// The keys that lead to it.
    pub path: Vec<&'a str>,
    /// The names of its weights.
    pub names: Vec<&'a str>,
    pub dict: Id,
}

impl State<'_> {
    /// The keys with dots between, [`TOP`] for none.
    pub fn key(&self) -> String {
        if self.path.is_empty() { TOP.to_string() } else { self.path.join(".") }
    }

    /// Whether names begin with `prefix` and a dot; all do for an empty one.
    pub fn has(&self, prefix: &str) -> bool {
        let begins = |name: &&str| name.strip_prefix(prefix).is_some_and(|n| n.starts_with('.'));
        prefix.is_empty() || self.names.iter().any(begins)
    }
}

/// Whether a key says that what is under it is an optimizer's or no weight.
fn is_hidden(key: &str) -> bool {
    matches!(key, "_metadata" | "opt" | "optim" | "optims" | "momentum" | "momentums")
        || ["opt_", "optim_", "optimizer", "exp_avg", "momentum_buffer"]
            .iter()
            .any(|start| key.starts_with(start))
}

/// The dictionaries that hold weights, by keys that are text; what an optimizer keeps is none of them,
/// unless `wanted` leads there.
///
/// # Errors
///
/// There are more items than a file of dictionaries of its own can have.
pub(super) fn states<'a>(objects: &'a Objects, wanted: &str) -> Result<Vec<State<'a>>, String> {
    let mut states = Vec::new();
    let mut seen = HashSet::from([objects.root]);
    let mut next = vec![State { path: Vec::new(), names: Vec::new(), dict: objects.root }];
    let mut left = OPERATIONS_LIMIT;
    for _ in 0..=DEPTH {
        for mut state in std::mem::take(&mut next) {
            let Some(items) = objects.dict(state.dict) else { continue };
            left = left.checked_sub(items.len()).ok_or("its dictionaries share too many items")?;
            for &(key, value) in &items {
                let Some(key) = objects.text(key).filter(|key| key.len() <= NAME_LIMIT) else {
                    continue;
                };
                let path = || [state.path.as_slice(), &[key]].concat();
                let leads = || {
                    let rest = wanted.strip_prefix(&path().join("."));
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                if is_hidden(key) && !leads() {
                    continue;
                }
                if is_weight(objects, value) {
                    state.names.push(key);
                }
                if objects.is_dict(value) && seen.insert(value) {
                    next.push(State { path: path(), names: Vec::new(), dict: value });
                }
            }
            if !state.names.is_empty() {
                states.push(state);
            }
        }
    }
    Ok(states)
}

fn is_weight(objects: &Objects, value: Id) -> bool {
    match entry(objects, value) {
        Ok(Entry::Tensor(tensor)) => tensor.storage.dtype().is_some() && !tensor.shape.is_empty(),
        Ok(_) => false,
        // A tensor that is told of when the dictionary is taken.
        Err(_) => true,
    }
}

/// A line on each key at the top that says that its weights are averaged, with tensors or an object but
/// no dictionary of weights.
pub(super) fn averaged_elsewhere(objects: &Objects, states: &[State]) -> Vec<String> {
    let items = objects.dict(objects.root).unwrap_or_default();
    let lines = items.into_iter().filter_map(|(key, value)| {
        let key = objects.text(key).filter(|key| key.len() <= NAME_LIMIT)?;
        let is_state = || states.iter().any(|state| state.path.first() == Some(&key));
        let is_left = is_averaged(key) && !is_state() && may_hold_tensors(objects, value);
        is_left.then(|| {
            format!(
                "averaged weights seem to be under `{key}`, but are no dictionary of tensors ({}): left \
                 out",
                objects.describe(value)
            )
        })
    });
    lines.take(LISTED).collect()
}

/// Whether there is a tensor in what a value is made of, or an object that cannot be looked into.
fn may_hold_tensors(objects: &Objects, value: Id) -> bool {
    let (mut seen, mut next) = (HashSet::new(), vec![value]);
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        match objects.get(id) {
            _ if is_weight(objects, id) => return true,
            Object::List(items) => next.extend(items),
            Object::Dict(items) => next.extend(items.iter().map(|(_, value)| value)),
            Object::Call { args, items, .. } if objects.is_dict(id) => {
                next.push(*args);
                next.extend(items.iter().map(|(_, value)| value));
            }
            Object::Call { .. } => return objects.describe(id).starts_with("an object"),
            _ => {}
        }
    }
    false
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
pub(super) fn entries(
    objects: &Objects,
    dict: Id,
) -> impl Iterator<Item = Result<(&str, Entry), String>> {
    let mut seen = HashSet::new();
    objects.dict(dict).unwrap_or_default().into_iter().map(move |(key, value)| {
        let name = short(objects, key)?.ok_or("a key of its dictionary is not text")?;
        if !seen.insert(name) {
            return Err(format!("it has two tensors `{name}`"));
        }
        let entry = entry(objects, value);
        let entry = entry.map_err(|e| format!("the tensor `{name}` cannot be read: {e}"))?;
        Ok((name, entry))
    })
}

/// A text that is a name.
fn short(objects: &Objects, id: Id) -> Result<Option<&str>, String> {
    match objects.text(id) {
        Some(name) if name.len() > NAME_LIMIT => {
            Err(format!("a name of {} bytes is too long, {NAME_LIMIT} at most", name.len()))
        }
        name => Ok(name),
    }
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
        _ => Ok(objects.unreadable(id).map_or(Entry::Other, |what| Entry::Unreadable(what.into()))),
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
    // Of an empty tensor the other dimensions are checked by nothing else.
    if shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim.max(1))).is_none() {
        return Err(format!("its size {shape:?} is too large"));
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
        name: short(objects, name)?.ok_or_else(wrong)?.to_string(),
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
    if list.len() > RANK_LIMIT {
        return Err(format!("it has {} dimensions, {RANK_LIMIT} at most", list.len()));
    }
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
