//! Writing parameters: the same parameters give the same bytes, and a file is there whole or not at
//! all.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

use super::WeightsError;
use super::file::check_finite;
use crate::params::Params;

/// The one key of a file's metadata that [`save`] writes, with JSON below it.
///
/// One, because safetensors writes the metadata from a hash map, whose order changes from run to
/// run.
pub const METADATA_KEY: &str = "taper";

/// Saves all parameters, buffers included, as 32-bit floats in a safetensors file.
///
/// The same parameters and metadata give the same bytes: the tensors are sorted by name, the
/// metadata is JSON with sorted keys under [`METADATA_KEY`], and nothing else, no time and no path,
/// goes in. The file is written beside its place, flushed to the disk, then moved there; what was
/// there before stays until then.
///
/// PyTorch reads it with `safetensors.torch.load_file`.
///
/// # Errors
///
/// [`WeightsError::NonFinite`] (a parameter has diverged), [`WeightsError::ParentIsFile`],
/// [`WeightsError::Write`]; no file is left half written.
pub fn save(
    path: impl AsRef<Path>,
    params: &Params,
    metadata: &BTreeMap<String, Value>,
) -> Result<(), WeightsError> {
    save_as(path, params, metadata, DType::F32)
}

/// Saves as [`save`] does, in `dtype`: [`DType::F32`], or [`DType::F16`] for half the size.
///
/// # Errors
///
/// As [`save`]; a value beyond the range of `f16` (65504) is [`WeightsError::NonFinite`], another
/// dtype [`WeightsError::SaveDType`].
pub fn save_as(
    path: impl AsRef<Path>,
    params: &Params,
    metadata: &BTreeMap<String, Value>,
    dtype: DType,
) -> Result<(), WeightsError> {
    write_whole(path.as_ref(), &to_bytes(params, metadata, dtype)?)
}

/// The bytes that [`save_as`] writes.
///
/// # Errors
///
/// As [`save_as`], those of the file system aside.
pub fn to_bytes(
    params: &Params,
    metadata: &BTreeMap<String, Value>,
    dtype: DType,
) -> Result<Vec<u8>, WeightsError> {
    let written = match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        _ => return Err(WeightsError::SaveDType { dtype }),
    };
    let mut tensors = Vec::with_capacity(params.len());
    for (name, param) in params {
        let tensor = param.var.as_detached_tensor().flatten_all()?.to_dtype(dtype)?;
        check_finite(&tensor, name, "the parameters")?;
        tensors.push((name, param.var.dims(), little_endian(&tensor)?));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(written, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(WeightsError::Serialize)?;
    let sorted: BTreeMap<&String, Value> =
        metadata.iter().map(|(key, value)| (key, sorted(value))).collect();
    let json = serde_json::to_string(&sorted).map_err(WeightsError::WriteMetadata)?;
    let metadata = HashMap::from([(METADATA_KEY.to_string(), json)]);
    safetensors::serialize(views, Some(metadata)).map_err(WeightsError::Serialize)
}

fn little_endian(tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
    Ok(match tensor.dtype() {
        DType::F16 => tensor.to_vec1::<f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
        _ => tensor.to_vec1::<f32>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
    })
}

/// The same JSON with every object's keys in ascending order, whatever order serde_json was built
/// to keep.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(map) => {
            let by_key: BTreeMap<&String, Value> =
                map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        other => other.clone(),
    }
}

/// Writes `bytes` to `path`, whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let failed = |source| WeightsError::Write { path: path.to_path_buf(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if let Some(parent) = folder.ancestors().find(|ancestor| ancestor.is_file()) {
        let (path, parent) = (path.to_path_buf(), parent.to_path_buf());
        return Err(WeightsError::ParentIsFile { path, parent });
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".weights-").suffix(".tmp");
    #[cfg(unix)]
    {
        // The umask takes its part of it, as for any new file; tempfile's own default is 0600.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(&folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    // The new name is on the disk once the folder is. Not every system can open a folder for that.
    if let Ok(folder) = std::fs::File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
