//! Writing parameters: the same parameters give the same bytes, and a file is there whole or not at
//! all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use taper_untrusted::files;

use super::error::WeightsError;
use super::tensor_file::{METADATA_KEY, check_finite, check_header};
use crate::params::Params;

/// Saves all parameters, buffers included, as 32-bit floats in a safetensors file.
///
/// The same parameters and metadata give the same bytes: the tensors are sorted by name, the
/// metadata is JSON with sorted keys under [`METADATA_KEY`], and nothing else goes in, no time and no
/// path, but `format: pt`, without which Python's transformers takes no file. The file is written beside its place, flushed to the disk, then moved there; what was
/// there before stays until then.
///
/// PyTorch reads it with `safetensors.torch.load_file`. Beside each batch-norm's running mean stands
/// PyTorch's counter `num_batches_tracked`, at zero: nobody here counts, PyTorch reads it only for a
/// batch-norm without momentum, and without it transformers speaks of missing weights.
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
    let tensors = params.iter().map(|(name, param)| (name, param.var.as_detached_tensor()));
    tensors_to_bytes(tensors, metadata, dtype)
}

/// The bytes of a file of tensors, which are in the order of their names.
pub(crate) fn tensors_to_bytes(
    named: impl Iterator<Item = (impl AsRef<str>, Tensor)>,
    metadata: &BTreeMap<String, Value>,
    dtype: DType,
) -> Result<Vec<u8>, WeightsError> {
    let written = match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        _ => return Err(WeightsError::SaveDType { dtype }),
    };
    let mut tensors = Vec::new();
    let mut counters = Vec::new();
    for (name, tensor) in named {
        let name = name.as_ref().to_string();
        let values = tensor.flatten_all()?.to_dtype(dtype)?;
        check_finite(&values, &name, "the parameters")?;
        if let Some(layer) = name.strip_suffix(".running_mean") {
            counters.push(format!("{layer}.num_batches_tracked"));
        }
        tensors.push((name, tensor.dims().to_vec(), little_endian(&values)?));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(written, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let zeros = counters.iter().map(|name| {
        TensorView::new(Dtype::I64, Vec::new(), &[0; 8]).map(|view| (name.as_str(), view))
    });
    let views = views.chain(zeros);
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(WeightsError::Serialize)?;
    let sorted: BTreeMap<&String, Value> =
        metadata.iter().map(|(key, value)| (key, sorted(value))).collect();
    let json = serde_json::to_string(&sorted).map_err(WeightsError::WriteMetadata)?;
    let bytes = safetensors::serialize(views, None).map_err(WeightsError::Serialize)?;
    let metadata = BTreeMap::from([("format", "pt"), (METADATA_KEY, json.as_str())]);
    with_metadata(bytes, &metadata)
}

/// The file with metadata in its header, in the order of its keys: safetensors would write them from
/// a hash map, whose order changes from run to run.
fn with_metadata(bytes: Vec<u8>, metadata: &BTreeMap<&str, &str>) -> Result<Vec<u8>, WeightsError> {
    let (len, rest) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(0).min(rest.len());
    let (header, data) = rest.split_at(len);
    let metadata = serde_json::to_string(metadata).map_err(WeightsError::WriteMetadata)?;
    let entries = header.trim_ascii().strip_prefix(b"{").unwrap_or(b"}");
    let comma = if entries == b"}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{metadata}{comma}").into_bytes();
    header.extend_from_slice(entries);
    header.resize(header.len().next_multiple_of(8), b' ');
    check_header(header.len() as u64, "what is to be written")?;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(data);
    Ok(bytes)
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
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let failed = |source| WeightsError::Write { path: path.to_path_buf(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if let Some(parent) = folder.ancestors().find(|ancestor| ancestor.is_file()) {
        let (path, parent) = (path.to_path_buf(), parent.to_path_buf());
        return Err(WeightsError::ParentIsFile { path, parent });
    }
    files::check_place(path).map_err(failed)?;
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
