//! Layouts: how another framework names its tensors and orders their dimensions.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::error::WeightsError;
use super::key_map::{Join, KeyMap};
use super::tensor_file::{FileTensor, TensorFile, widened};
use super::unwrap::Unwrap;
use crate::pattern::matches;

/// Whose order of dimensions, and whose names, a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layout {
    /// PyTorch's, which is ours and the default: convolutions `(out, in, h, w)`, dense layers
    /// `(out, in)`.
    #[default]
    PyTorch,
    /// Keras's, channels last.
    ///
    /// | in the file | in the net |
    /// | --- | --- |
    /// | `X.kernel` `(h, w, in, out)` | `X.weight` `(out, in, h, w)` |
    /// | `X.depthwise_kernel` `(h, w, in, m)` | `X.weight` `(in * m, 1, h, w)` |
    /// | `X.kernel` `(in, out)` | `X.weight` `(out, in)`; after a flatten, see below |
    /// | `X.gamma`, `X.beta` | `X.weight`, `X.bias` |
    /// | `X.moving_mean`, `X.moving_variance` | `X.running_mean`, `X.running_var` |
    /// | any other | the same |
    ///
    /// The rows of a kernel after a flatten go from the order `(h, w, c)` to `(c, h, w)`.
    ///
    /// `X` is the layer's name. Keras's own paths (`conv2d/kernel:0`) mean the same as
    /// `conv2d.kernel`. The key map sees the names of the right column. A transposed convolution
    /// can't be told from a plain one: not supported.
    Keras,
}

/// What a flatten made a vector of; a dense layer after it has `channels * height * width` inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flatten {
    /// The number of channels.
    pub channels: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
}

impl Flatten {
    fn len(&self) -> Option<usize> {
        self.channels.checked_mul(self.height)?.checked_mul(self.width)
    }
}

/// A file's tensor under the net's name, in the net's order of dimensions.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub from: String,
    /// Whether the name in the file is outside of the prefix that is taken off.
    pub outside: bool,
    pub tensor: FileTensor,
    pub note: String,
}

impl Mapped {
    fn float(&self) -> Option<&Tensor> {
        match &self.tensor {
            FileTensor::Float(tensor) => Some(tensor),
            FileTensor::Other { .. } => None,
        }
    }
}

/// The file's tensors by the net's names.
pub(super) fn map(
    file: &TensorFile,
    key_map: &KeyMap,
    layout: Layout,
    flatten: Option<&BTreeMap<String, Flatten>>,
    unwrap: &Unwrap,
) -> Result<BTreeMap<String, Mapped>, WeightsError> {
    let mut mapped: BTreeMap<String, Mapped> = BTreeMap::new();
    let mut insert = |name: String, entry: Mapped| match mapped.get(&name) {
        // Two states in one file: what is below the prefix is the one that was chosen.
        Some(first) if first.outside != entry.outside => {
            if first.outside {
                mapped.insert(name, entry);
            }
            Ok(())
        }
        Some(first) => Err(WeightsError::SameName {
            file: file.origin.clone(),
            first: first.from.clone(),
            second: entry.from,
            name,
        }),
        None => {
            mapped.insert(name, entry);
            Ok(())
        }
    };
    match layout {
        Layout::PyTorch => {
            refuse_another_layout(file)?;
            for (from, tensor) in &file.tensors {
                let (name, below) = unwrap.apply(from, key_map);
                let (from, tensor, note) = (from.clone(), tensor.clone(), String::new());
                insert(name, Mapped { from, outside: !below, tensor, note })?;
            }
        }
        Layout::Keras => {
            let flatten = KerasFlatten::new(file, flatten)?;
            for (from, tensor) in &file.tensors {
                let (layer, part) = keras_name(from);
                let name = key_map.apply(&layer_name(&layer, pytorch_part(&part)));
                let (tensor, note) = match tensor {
                    FileTensor::Float(tensor) => {
                        let flatten = flatten.of(from, &name);
                        let (tensor, note) = from_keras(file, from, &part, tensor, flatten)?;
                        (FileTensor::Float(tensor), note)
                    }
                    other => (other.clone(), String::new()),
                };
                insert(name, Mapped { from: from.clone(), outside: false, tensor, note })?;
            }
            flatten.check_all_used(file, &mapped)?;
        }
    }
    for rule in &key_map.joins {
        join(file, rule, &mut mapped)?;
    }
    for (pattern, offset) in &key_map.offsets {
        for (_, entry) in mapped.iter_mut().filter(|(name, _)| matches(pattern, name)) {
            if let FileTensor::Float(tensor) = &entry.tensor {
                entry.tensor = FileTensor::Float((widened(tensor)? + *offset)?);
                entry.note = format!("{offset:+.2e} added");
            }
        }
    }
    Ok(mapped)
}

/// Puts parts together, wherever all parts of a whole are there and fit.
fn join(
    file: &TensorFile,
    rule: &Join,
    mapped: &mut BTreeMap<String, Mapped>,
) -> Result<(), WeightsError> {
    let found: Vec<_> = mapped.keys().filter_map(|name| rule.of(name)).collect();
    for (parts, whole) in found {
        let entries: Option<Vec<&Mapped>> = parts.iter().map(|part| mapped.get(part)).collect();
        let Some(entries) = entries else { continue };
        let tensors: Option<Vec<&Tensor>> = entries.iter().map(|entry| entry.float()).collect();
        // Shapes that differ are left apart: the report will tell of the parts as they are.
        let Some(tensors) = tensors.filter(|tensors| same_but_first(tensors)) else { continue };
        let from: Vec<&str> = entries.iter().map(|entry| entry.from.as_str()).collect();
        let joined = Mapped {
            from: from.join(" + "),
            outside: entries.iter().any(|entry| entry.outside),
            tensor: FileTensor::Float(Tensor::cat(&tensors, 0)?),
            note: format!("{} tensors joined", parts.len()),
        };
        if let Some(first) = mapped.get(&whole) {
            return Err(WeightsError::SameName {
                file: file.origin.clone(),
                first: first.from.clone(),
                second: joined.from,
                name: whole,
            });
        }
        parts.iter().for_each(|part| drop(mapped.remove(part)));
        mapped.insert(whole, joined);
    }
    Ok(())
}

/// Whether tensors can be put one after another along the first dimension.
fn same_but_first(tensors: &[&Tensor]) -> bool {
    tensors.windows(2).all(|pair| {
        pair[0].dtype() == pair[1].dtype()
            && matches!((pair[0].dims(), pair[1].dims()), ([_, a @ ..], [_, b @ ..]) if a == b)
    })
}

/// A square kernel has a shape that fits either way: where the file says what it is, believe it.
fn refuse_another_layout(file: &TensorFile) -> Result<(), WeightsError> {
    // Metadata that is no JSON is no reason not to load: it may be another program's.
    let found = file.metadata().ok().and_then(|metadata| {
        metadata.get("layout").and_then(|layout| layout.as_str()).map(str::to_string)
    });
    match found {
        Some(found) if found != "pytorch" => {
            Err(WeightsError::LayoutDiffers { file: file.origin.clone(), found })
        }
        _ => Ok(()),
    }
}

/// `conv2d/kernel:0` -> (`conv2d`, `kernel`).
fn keras_name(name: &str) -> (String, String) {
    let name = name.strip_suffix(":0").unwrap_or(name).replace('/', ".");
    match name.rsplit_once('.') {
        Some((layer, part)) => (layer.to_string(), part.to_string()),
        None => (String::new(), name),
    }
}

fn layer_name(layer: &str, part: &str) -> String {
    if layer.is_empty() { part.to_string() } else { format!("{layer}.{part}") }
}

fn pytorch_part(part: &str) -> &str {
    match part {
        "kernel" | "depthwise_kernel" | "gamma" => "weight",
        "beta" => "bias",
        "moving_mean" => "running_mean",
        "moving_variance" => "running_var",
        other => other,
    }
}

fn from_keras(
    file: &TensorFile,
    from: &str,
    part: &str,
    tensor: &Tensor,
    flatten: Option<Flatten>,
) -> Result<(Tensor, String), WeightsError> {
    let wrong_flatten = |flattened| WeightsError::FlattenShape {
        file: file.origin.clone(),
        tensor: from.to_string(),
        shape: tensor.dims().to_vec(),
        flattened,
    };
    let (tensor, note) = match (part, tensor.dims(), flatten) {
        ("kernel", &[rows, columns], Some(flatten)) => {
            if flatten.len() != Some(rows) {
                return Err(wrong_flatten(flatten.len().unwrap_or(usize::MAX)));
            }
            let Flatten { channels: c, height: h, width: w } = flatten;
            let rows_chw = tensor.reshape((h, w, c, columns))?.permute((3, 2, 0, 1))?;
            let note = format!("(h, w, c) rows of a {h}x{w}x{c} flatten to (c, h, w), transposed");
            (rows_chw.reshape((columns, rows))?, note)
        }
        (_, _, Some(flatten)) => return Err(wrong_flatten(flatten.len().unwrap_or(usize::MAX))),
        ("kernel", &[_, _], None) => (tensor.t()?, "transposed".to_string()),
        ("kernel", &[_, _, _], None) => (tensor.permute((2, 1, 0))?, "wio to oiw".to_string()),
        ("kernel", &[_, _, _, _], None) => {
            (tensor.permute((3, 2, 0, 1))?, "hwio to oihw".to_string())
        }
        ("depthwise_kernel", &[h, w, c, m], None) => {
            let weight = tensor.permute((2, 3, 0, 1))?.reshape((c * m, 1, h, w))?;
            (weight, "depthwise hwim to (im)1hw".to_string())
        }
        _ => (tensor.clone(), String::new()),
    };
    Ok((tensor.contiguous()?, note))
}

/// The flattens that are known: by the net's names from the configuration, by the file's from its
/// metadata.
struct KerasFlatten {
    by_name: BTreeMap<String, Flatten>,
    by_file_name: BTreeMap<String, Flatten>,
}

impl KerasFlatten {
    fn new(
        file: &TensorFile,
        given: Option<&BTreeMap<String, Flatten>>,
    ) -> Result<Self, WeightsError> {
        let from_file = match file.metadata()?.get("flatten") {
            None => None,
            Some(value) => {
                let flatten: BTreeMap<String, Flatten> =
                    serde_json::from_value(value.clone()).map_err(|source| {
                        WeightsError::Metadata { file: file.origin.clone(), source }
                    })?;
                Some(flatten)
            }
        };
        let kernel_of_rank = |rank| {
            let mut tensors = file.tensors.iter();
            tensors.any(|(name, tensor)| {
                keras_name(name).1.ends_with("kernel") && tensor.shape().len() == rank
            })
        };
        if given.is_none() && from_file.is_none() && kernel_of_rank(4) && kernel_of_rank(2) {
            return Err(WeightsError::FlattenUnknown { file: file.origin.clone() });
        }
        // What the caller says goes before what the file says.
        Ok(match given {
            Some(given) => Self { by_name: given.clone(), by_file_name: BTreeMap::new() },
            None => Self { by_name: BTreeMap::new(), by_file_name: from_file.unwrap_or_default() },
        })
    }

    fn of(&self, file_name: &str, name: &str) -> Option<Flatten> {
        self.by_name.get(name).or_else(|| self.by_file_name.get(file_name)).copied()
    }

    fn check_all_used(
        &self,
        file: &TensorFile,
        mapped: &BTreeMap<String, Mapped>,
    ) -> Result<(), WeightsError> {
        let mut unknown_here = self.by_name.keys().filter(|name| !mapped.contains_key(*name));
        let mut unknown_there =
            self.by_file_name.keys().filter(|name| !file.tensors.contains_key(*name));
        match unknown_here.next().or_else(|| unknown_there.next()) {
            None => Ok(()),
            Some(name) => Err(WeightsError::FlattenOfNothing {
                file: file.origin.clone(),
                name: name.clone(),
            }),
        }
    }
}
