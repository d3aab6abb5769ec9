//! From what a pickle describes to the tensors of a state dict.

use candle_core::DType;
use candle_core::pickle::Object;

/// The keys under which a training program keeps the state dict beside other things.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// One value of a state dict.
#[derive(Debug)]
pub(super) enum Entry {
    /// A tensor.
    Tensor(Described),
    /// Something else.
    Object,
}

/// A tensor as the pickle describes it: a view of a storage.
#[derive(Debug)]
pub(super) struct Described {
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// Elements from one to the next in each dimension.
    strides: Vec<usize>,
    /// Elements before the first.
    offset: usize,
    /// The storage's name in the archive.
    pub storage: String,
}

/// The names and values of a state dict, at the top or under one of the usual keys.
pub(super) fn state_dict(object: Object) -> Result<Vec<(String, Entry)>, String> {
    let Object::Dict(mut items) = object else {
        return Err("it holds no dictionary of tensors; save the model's state_dict()".to_string());
    };
    for key in NESTED {
        let is_it = |(name, value): &(Object, Object)| {
            matches!(name, Object::Unicode(name) if name == key) && matches!(value, Object::Dict(_))
        };
        if let Some(place) = items.iter().position(is_it) {
            return state_dict(items.swap_remove(place).1);
        }
    }
    let mut entries = Vec::new();
    for (name, value) in items {
        let Object::Unicode(name) = name else {
            return Err("a key of its dictionary is not text".to_string());
        };
        // What PyTorch itself adds to a state dict: the versions of the modules.
        if name == "_metadata" {
            continue;
        }
        let entry = entry(value).map_err(|e| format!("the tensor `{name}` cannot be read: {e}"))?;
        entries.push((name, entry));
    }
    if !entries.iter().any(|(_, entry)| matches!(entry, Entry::Tensor(_))) {
        return Err(format!(
            "its dictionary holds no tensors, nor does one under {}",
            NESTED.map(|key| format!("`{key}`")).join(", ")
        ));
    }
    Ok(entries)
}

fn entry(object: Object) -> Result<Entry, String> {
    let Object::Reduce { callable, args } = object else { return Ok(Entry::Object) };
    let (Object::Class { module_name, class_name }, Object::Tuple(args)) = (*callable, *args)
    else {
        return Ok(Entry::Object);
    };
    let mut args = args.into_iter();
    match (module_name.as_str(), class_name.as_str()) {
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
            Ok(Entry::Tensor(described(args)?))
        }
        // (tensor, requires_grad, hooks)
        ("torch._utils", "_rebuild_parameter") => {
            args.next().map_or(Err("it has no tensor".to_string()), entry)
        }
        // (function, type, its arguments, state)
        ("torch._tensor", "_rebuild_from_type_v2") => match (args.next(), args.nth(1)) {
            (Some(callable), Some(args)) => {
                entry(Object::Reduce { callable: Box::new(callable), args: Box::new(args) })
            }
            _ => Err("it has no tensor".to_string()),
        },
        _ => Ok(Entry::Object),
    }
}

/// (storage, offset, size, stride, ...)
fn described(mut args: impl Iterator<Item = Object>) -> Result<Described, String> {
    let mut next = |what: &str| args.next().ok_or(format!("it has no {what}"));
    let (storage, offset) = (next("storage")?, next("offset")?);
    let (shape, strides) = (numbers(next("size")?)?, numbers(next("stride")?)?);
    if shape.len() != strides.len() {
        return Err(format!("its size {shape:?} and stride {strides:?} differ in length"));
    }
    let Object::PersistentLoad(id) = storage else {
        return Err("its storage cannot be read".to_string());
    };
    // ("storage", type, name, device, elements)
    match *id {
        Object::Tuple(parts) => match parts.as_slice() {
            [_, Object::Class { class_name, .. }, Object::Unicode(name), ..] => Ok(Described {
                dtype: dtype(class_name)?,
                shape,
                strides,
                offset: number(offset)?,
                storage: name.clone(),
            }),
            _ => Err("its storage cannot be read".to_string()),
        },
        _ => Err("its storage cannot be read".to_string()),
    }
}

fn dtype(storage: &str) -> Result<DType, String> {
    Ok(match storage {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        // Of no weight; known so that such a tensor is told of, not read.
        "LongStorage" => DType::I64,
        "IntStorage" => DType::I32,
        "ShortStorage" => DType::I16,
        "ByteStorage" | "CharStorage" | "BoolStorage" => DType::U8,
        _ => return Err(format!("its type {storage} is not known")),
    })
}

fn numbers(object: Object) -> Result<Vec<usize>, String> {
    match object {
        Object::Tuple(items) | Object::List(items) => items.into_iter().map(number).collect(),
        _ => Err("its size or stride is not a list".to_string()),
    }
}

fn number(object: Object) -> Result<usize, String> {
    let number = match object {
        Object::Int(number) => i64::from(number),
        Object::Long(number) => number,
        _ => return Err("its size, stride or offset is not a number".to_string()),
    };
    usize::try_from(number).map_err(|_| format!("{number} is not a size"))
}

impl Described {
    /// The tensor's elements in row-major order, out of the bytes of its storage.
    pub fn gather(&self, storage: &[u8]) -> Result<Vec<u8>, String> {
        let size = self.dtype.size_in_bytes();
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
