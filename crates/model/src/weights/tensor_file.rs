//! The tensors of a checkpoint, checked whole before anything is set.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use taper_untrusted::files::HEADER;
use taper_untrusted::json;

use super::error::WeightsError;

/// The key of a file's metadata under which [`save`](super::save()) writes what it is given, as JSON.
pub const METADATA_KEY: &str = "taper";

/// The most keys of a file's metadata: with more of them and a large tree under one it would take more than it may.
const KEYS: usize = 4096;

/// The tensors of a checkpoint, in memory and checked.
///
/// The file is read, not mapped: a file that changes or shrinks later changes nothing here. Every
/// float tensor (`f16`, `bf16`, `f32`, `f64`) is known to hold finite values only. Tensors of other
/// types are kept by name and shape alone: to ask for one is an error, to leave one is not, if its
/// name says that it is no weight (see [`NAMES_OF_NO_WEIGHTS`](super::NAMES_OF_NO_WEIGHTS)).
#[derive(Clone, Debug)]
pub struct TensorFile {
    pub(super) origin: String,
    pub(super) tensors: BTreeMap<String, FileTensor>,
    pub(super) metadata: BTreeMap<String, String>,
    /// What was chosen or left out in reading it, a line each.
    pub(super) notes: Vec<String>,
    /// Whether the weights under no key were asked for, whatever others there are.
    pub(super) at_top: bool,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub(super) enum FileTensor {
    /// A float tensor, in the file's own dtype, on the CPU.
    Float(Tensor),
    /// A tensor of a type that no weight has.
    Other { dtype: String, shape: Vec<usize> },
}

impl FileTensor {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Float(tensor) => tensor.dims(),
            Self::Other { shape, .. } => shape,
        }
    }
}

impl TensorFile {
    /// Reads the bytes of a safetensors file; `origin` names it in errors and reports.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Malformed`] for bytes that are cut short or are no such file, [`WeightsError::Header`],
    /// [`WeightsError::MetadataKeys`], [`WeightsError::NonFinite`].
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Self, WeightsError> {
        let malformed = |source| WeightsError::Malformed { file: origin.to_string(), source };
        let header = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
        if header <= bytes.len() as u64 {
            check_header(header, origin)?;
        }
        let (length, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
        let keys = header.metadata().as_ref().map_or(0, |metadata| metadata.len());
        if keys > KEYS {
            let file = origin.to_string();
            return Err(WeightsError::MetadataKeys { file, found: keys, limit: KEYS });
        }
        let data = bytes.get(8 + length..).unwrap_or_default();
        let mut tensors = BTreeMap::new();
        for (name, info) in header.tensors() {
            // The product of the shape is checked already, and that its bytes are there; an empty tensor's other
            // dimensions are not.
            let extent = info.shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim.max(1)));
            if extent.is_none() {
                return Err(malformed(safetensors::SafeTensorError::ValidationOverflow));
            }
            let (start, end) = info.data_offsets;
            let values = data.get(start..end).unwrap_or_default();
            let tensor = match float_dtype(info.dtype) {
                Some(dtype) => {
                    let tensor = Tensor::from_raw_buffer(values, dtype, &info.shape, &Device::Cpu)?;
                    check_finite(&tensor, &name, origin)?;
                    FileTensor::Float(tensor)
                }
                None => FileTensor::Other {
                    dtype: format!("{:?}", info.dtype).to_lowercase(),
                    shape: info.shape.clone(),
                },
            };
            tensors.insert(name, tensor);
        }
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let (origin, notes) = (origin.to_string(), Vec::new());
        Ok(Self { origin, tensors, metadata, notes, at_top: false })
    }

    /// Takes tensors that are in memory already; `origin` names them in errors and reports.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NonFinite`].
    pub fn from_tensors(
        tensors: BTreeMap<String, Tensor>,
        origin: &str,
    ) -> Result<Self, WeightsError> {
        let mut checked = BTreeMap::new();
        for (name, tensor) in tensors {
            let tensor = if tensor.dtype().is_float() {
                let tensor = tensor.detach().to_device(&Device::Cpu)?;
                check_finite(&tensor, &name, origin)?;
                FileTensor::Float(tensor)
            } else {
                let dtype = tensor.dtype().as_str().to_string();
                FileTensor::Other { dtype, shape: tensor.dims().to_vec() }
            };
            checked.insert(name, tensor);
        }
        let (metadata, notes) = (BTreeMap::new(), Vec::new());
        let origin = origin.to_string();
        Ok(Self { origin, tensors: checked, metadata, notes, at_top: false })
    }

    /// The tensors whose names begin with `prefix` and a dot, by the rest of their names; if there are
    /// none, the first parts of the names that there are.
    pub(super) fn under(mut self, prefix: &str) -> Result<Self, Vec<String>> {
        let below = |name: &str| name.strip_prefix(prefix)?.strip_prefix('.').map(String::from);
        let known: BTreeSet<String> = self
            .tensors
            .keys()
            .filter_map(|name| Some(name.split_once('.')?.0.to_string()))
            .collect();
        let tensors = std::mem::take(&mut self.tensors).into_iter();
        self.tensors = tensors.filter_map(|(name, tensor)| Some((below(&name)?, tensor))).collect();
        if self.tensors.is_empty() { Err(known.into_iter().collect()) } else { Ok(self) }
    }

    /// The same tensors with the metadata of another file.
    pub fn with_metadata_of(self, other: &Self) -> Self {
        Self { metadata: other.metadata.clone(), ..self }
    }

    /// The same tensors under another name of where they are from.
    pub fn with_origin(self, origin: String) -> Self {
        Self { origin, ..self }
    }

    /// Where the tensors are from: the path, or the name given.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What was chosen or left out in reading the file, a line each: which of several state dicts.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The names of all tensors, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The float tensor `name`, in the file's own dtype, on the CPU.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        match self.tensors.get(name)? {
            FileTensor::Float(tensor) => Some(tensor),
            FileTensor::Other { .. } => None,
        }
    }

    /// The metadata that the file's writer gave, as it stands: text by key.
    pub fn raw_metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The metadata that [`save`](super::save()) wrote: the JSON under the key `taper`, empty where
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Metadata`] where it is no JSON object.
    pub fn metadata(&self) -> Result<BTreeMap<String, serde_json::Value>, WeightsError> {
        match self.metadata.get(METADATA_KEY) {
            None => Ok(BTreeMap::new()),
            Some(text) => json::value(text.as_bytes())
                .and_then(serde_json::from_value)
                .map_err(|source| WeightsError::Metadata { file: self.origin.clone(), source }),
        }
    }
}

/// Whether a header of so many bytes is within what is read, and so what is written.
pub(super) fn check_header(length: u64, file: &str) -> Result<(), WeightsError> {
    match length {
        ..=HEADER => Ok(()),
        _ => Err(WeightsError::Header { file: file.to_string(), length, limit: HEADER }),
    }
}

fn float_dtype(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        Dtype::F32 => Some(DType::F32),
        Dtype::F64 => Some(DType::F64),
        _ => None,
    }
}

/// The tensor in the type to add in: half precision is widened.
pub(super) fn widened(tensor: &Tensor) -> candle_core::Result<Tensor> {
    tensor.to_dtype(if tensor.dtype() == DType::F64 { DType::F64 } else { DType::F32 })
}

/// The first value that is infinite or no number, and where it is.
pub(super) fn first_non_finite(tensor: &Tensor) -> candle_core::Result<Option<(usize, f64)>> {
    let values = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(values.into_iter().enumerate().find(|(_, value)| !value.is_finite()))
}

pub(super) fn check_finite(tensor: &Tensor, name: &str, file: &str) -> Result<(), WeightsError> {
    match first_non_finite(tensor)? {
        None => Ok(()),
        Some((index, value)) => Err(WeightsError::NonFinite {
            file: file.to_string(),
            tensor: name.to_string(),
            index,
            value,
        }),
    }
}
