//! A checkpoint as bytes: safetensors, the last 32 bytes being the SHA-256 of all before.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use taper_untrusted::checksums::SETTINGS;
use taper_untrusted::files::HEADER;

use super::state::{Checkpoint, FORMAT, Header, Tensors};

/// The one key of the file's metadata.
const KEY: &str = "taper";
/// The tensor that holds the checksum. Safetensors sorts by the size of the elements, largest
/// first, and nothing else here is of bytes: it comes last.
const CHECKSUM: &str = "checksum";
const CHECKSUM_BYTES: usize = 32;
/// The most bytes of what is no tensor, as TOML: the recipe, and what listeners keep.
const STATE: usize = 2 * SETTINGS as usize;
/// The groups of tensors; a tensor is called `GROUP:NAME`.
const GROUPS: [&str; 4] = ["params", "optimizer", "average", "best"];

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is shorter than a checksum.
    #[error("{0} bytes are too few for a checkpoint")]
    Short(usize),
    /// The bytes are not those that were written.
    #[error("the checksum differs: the file was cut short or changed")]
    Checksum,
    /// Another version of Taper wrote it.
    #[error("its format is {found}, expected {FORMAT}; use the version of Taper that wrote it")]
    Format {
        /// The format found.
        found: i64,
    },
    /// The checksum is right, what it covers is not.
    #[error("it is no checkpoint: {0}")]
    Content(String),
}

impl Checkpoint {
    /// The file's bytes: the same state gives the same bytes.
    ///
    /// # Errors
    /// A tensor of a dtype other than `f32`, `f64` or `i64`; listeners that keep too much; so many tensors that it
    /// could not be read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut raw = Vec::new();
        for (group, tensors) in GROUPS.into_iter().zip(self.groups()) {
            for (name, tensor) in tensors {
                let (dtype, bytes) = bytes_of(tensor)?;
                raw.push((format!("{group}:{name}"), dtype, tensor.dims().to_vec(), bytes));
            }
        }
        raw.push((CHECKSUM.into(), Dtype::U8, vec![CHECKSUM_BYTES], vec![0; CHECKSUM_BYTES]));
        let views = raw.iter().map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(content)?;
        // TOML, since serde_json's reader may be off by the last bit of a float.
        let header = toml::to_string(&self.header).map_err(content)?;
        check_state(&header)?;
        let metadata = HashMap::from([(KEY.to_string(), header)]);
        let mut bytes = safetensors::serialize(views, Some(metadata)).map_err(content)?;
        check_header(&bytes)?;
        let (covered, checksum) = bytes
            .split_last_chunk_mut::<CHECKSUM_BYTES>()
            .ok_or(CheckpointError::Short(CHECKSUM_BYTES))?;
        *checksum = Sha256::digest(covered).into();
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// The bytes are not exactly those that were written; another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (covered, checksum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(CheckpointError::Short(bytes.len()))?;
        if Sha256::digest(covered).as_slice() != checksum {
            return Err(CheckpointError::Checksum);
        }
        check_header(bytes)?;
        // Only this is kept of the header while it is read: each may take most of what both may.
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(content)?;
        let state = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY)).cloned();
        drop(header);
        let header = state.ok_or_else(|| content(format!("no metadata `{KEY}`")))?;
        check_state(&header)?;
        let header: toml::Table = header.parse().map_err(content)?;
        let found = header.get("format").and_then(toml::Value::as_integer).unwrap_or(0);
        if found != i64::from(FORMAT) {
            return Err(CheckpointError::Format { found });
        }
        let header: Header = header.try_into().map_err(content)?;

        let mut groups: BTreeMap<&str, Tensors> = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(content)?.tensors() {
            let Some((group, name)) = name.split_once(':') else { continue };
            let Some(group) = GROUPS.iter().find(|known| **known == group) else {
                return Err(content(format!("unknown group `{group}`")));
            };
            groups.entry(group).or_default().insert(name.to_string(), tensor_of(&view)?);
        }
        let mut take = |group: &str| groups.remove(group).unwrap_or_default();
        let [params, optimizer, average, best] = GROUPS.map(&mut take);
        Ok(Self { header, params, optimizer, average, best })
    }

    fn groups(&self) -> [&Tensors; 4] {
        [&self.params, &self.optimizer, &self.average, &self.best]
    }
}

/// Whether the header is within what is read, and so what is written.
fn check_header(bytes: &[u8]) -> Result<(), CheckpointError> {
    let length = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    match length {
        ..=HEADER => Ok(()),
        _ => Err(content(format!("its header has {length} bytes, the limit is {HEADER}"))),
    }
}

fn check_state(header: &str) -> Result<(), CheckpointError> {
    match header.len() {
        ..=STATE => Ok(()),
        found => Err(content(format!("its state has {found} bytes, the limit is {STATE}"))),
    }
}

fn content(reason: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::Content(reason.to_string())
}

fn bytes_of(tensor: &Tensor) -> Result<(Dtype, Vec<u8>), CheckpointError> {
    fn little<T: candle_core::WithDType, const N: usize>(
        tensor: &Tensor,
        bytes: fn(T) -> [u8; N],
    ) -> candle_core::Result<Vec<u8>> {
        Ok(tensor.flatten_all()?.to_vec1::<T>()?.into_iter().flat_map(bytes).collect())
    }
    let (dtype, bytes) = match tensor.dtype() {
        DType::F32 => (Dtype::F32, little(tensor, f32::to_le_bytes)),
        DType::F64 => (Dtype::F64, little(tensor, f64::to_le_bytes)),
        DType::I64 => (Dtype::I64, little(tensor, i64::to_le_bytes)),
        other => return Err(content(format!("dtype {other:?}, expected f32, f64 or i64"))),
    };
    Ok((dtype, bytes.map_err(content)?))
}

fn tensor_of(view: &TensorView<'_>) -> Result<Tensor, CheckpointError> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::I64 => DType::I64,
        other => return Err(content(format!("dtype {other:?}, expected f32, f64 or i64"))),
    };
    // The product is right where a size is 0, whatever the others are; candle multiplies them all the same.
    let extent = view.shape().iter().try_fold(1usize, |n, &size| n.checked_mul(size.max(1)));
    if extent.is_none() {
        return Err(content(format!("the shape {:?} is too large", view.shape())));
    }
    Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu).map_err(content)
}

#[cfg(test)]
mod tests;
