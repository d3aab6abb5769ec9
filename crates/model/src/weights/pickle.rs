//! Reading PyTorch's own files: a zip archive with a pickled dictionary and a file for each storage, or
//! what PyTorch wrote before 1.6, pickles and storages one after another.
//!
//! A pickle is a program, and this runs none: [`unpickle`] describes what it would build, and of that only tensors
//! are taken. What is read is bounded, so that a hostile file ends in an error and not in the memory's end.
//!
//! The formats are what `torch.save` writes (`torch/serialization.py`, `torch/_utils.py`).

mod legacy;
mod state_dict;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use taper_untrusted::files;
use taper_untrusted::pickle::{Objects, PICKLE_LIMIT, unpickle};
use zip::ZipArchive;

use super::error::{LISTED, WeightsError, listed};
use super::state_key::{TOP, choose};
use super::tensor_file::{FileTensor, TensorFile, check_finite};
use legacy::Legacy;
use state_dict::{Entry, State, Storage, averaged_elsewhere, contents, entries, states};

/// Whether a file that begins so is a zip archive.
pub(super) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// Whether a file that begins so is a pickle, as PyTorch's were before 1.6.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..])
}

/// A file's storages.
enum Storages {
    Archive { zip: ZipArchive<BufReader<File>>, root: String },
    Legacy(Legacy),
}

impl Storages {
    fn read(&mut self, storage: &Storage) -> Result<Vec<u8>, String> {
        match self {
            Self::Legacy(legacy) => legacy.read(storage),
            Self::Archive { zip, root } => {
                let path = format!("{root}data/{}", storage.name);
                let mut bytes = Vec::new();
                let entry = zip.by_name(&path).map_err(|e| format!("{path}: {e}"))?;
                // Of a few bytes packed ones would fill the memory.
                if entry.compressed_size() != entry.size() {
                    return Err(format!("{path} is compressed, which torch.save does not do"));
                }
                let mut entry = entry.take(storage.bytes()?);
                entry.read_to_end(&mut bytes).map_err(|e| format!("{path}: {e}"))?;
                Ok(bytes)
            }
        }
    }
}

/// Reads a state dict in the file at `path`: the one under `key`, or if that is empty the one that there
/// is.
pub(super) fn read(path: &Path, key: &str) -> Result<TensorFile, WeightsError> {
    let origin = path.display().to_string();
    let wrong = |reason: String| WeightsError::Pickle { file: origin.clone(), reason };
    let mut file = files::open(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let mut start = [0; 4];
    file.read_exact(&mut start).map_err(|e| wrong(e.to_string()))?;
    let (objects, storages) = match is_archive(&start) {
        true => open_archive(file, &origin)?,
        false => {
            let (objects, legacy) = Legacy::open(file).map_err(wrong)?;
            (objects, Storages::Legacy(legacy))
        }
    };
    let states = states(&objects, key).map_err(wrong)?;
    if states.is_empty() {
        return Err(wrong(contents(&objects)));
    }
    let no_state = |names: Vec<String>| {
        let keys: Vec<String> = first(states.iter()).collect();
        let known = if keys == [TOP] { names } else { keys };
        WeightsError::NoState { file: path.display().to_string(), key: key.to_string(), known }
    };
    // The whole key first, then one that goes on in the names, at last one of names alone.
    let named = states.iter().filter_map(|state| Some((state, rest(key, &state.key())?)));
    let named = named.filter(|(state, rest)| state.has(rest));
    let (state, rest, note) = match named.min_by_key(|(_, rest)| rest.len()) {
        Some((state, rest)) if !key.is_empty() => (state, rest, None),
        _ => {
            let having: Vec<&State> = states.iter().filter(|state| state.has(key)).collect();
            let all: Vec<_> =
                having.iter().map(|s| (s.path.as_slice(), s.names.as_slice())).collect();
            match choose(&all) {
                Ok(place) => (having[place], key, note(&states, having[place])),
                Err(places) if places.is_empty() => {
                    let names = states[0].names.iter().filter_map(|name| name.split_once('.'));
                    let names: BTreeSet<String> = names.map(|(name, _)| name.to_string()).collect();
                    return Err(no_state(names.into_iter().collect()));
                }
                Err(places) => {
                    let below = if key.is_empty() { String::new() } else { format!(".{key}") };
                    let keys = first(places.into_iter().map(|place| having[place]));
                    let keys = keys.map(|state| format!("{state}{below}")).collect();
                    return Err(WeightsError::SeveralStates { file: origin, keys });
                }
            }
        }
    };
    let mut file = tensors(&objects, state, storages, origin)?;
    file.notes.extend(note);
    file.at_top = key == TOP;
    if key.is_empty() {
        file.notes.extend(averaged_elsewhere(&objects, &states));
    }
    if rest.is_empty() { Ok(file) } else { file.under(rest).map_err(no_state) }
}

/// The keys of as many states as are listed, and of one more.
fn first<'a>(states: impl Iterator<Item = &'a State<'a>>) -> impl Iterator<Item = String> {
    states.take(LISTED + 1).map(State::key)
}

/// What is left of a key below that of a state dict; `None` if it is not below.
fn rest<'a>(key: &'a str, state: &str) -> Option<&'a str> {
    match (key == state, state) {
        (true, _) => Some(""),
        (_, TOP) => Some(key),
        _ => key.strip_prefix(state)?.strip_prefix('.'),
    }
}

/// A line on which of several state dicts was taken.
fn note(states: &[State], taken: &State) -> Option<String> {
    let others = first(states.iter().filter(|state| state.dict != taken.dict));
    match (others.collect::<Vec<_>>().as_slice(), taken.key()) {
        ([], key) if key == TOP => None,
        ([], key) => Some(format!("the weights are those under `{key}`")),
        (others, key) => Some(format!(
            "the weights are those under `{key}`; the file has others under {}: `model.state_key` \
             chooses",
            listed(others)
        )),
    }
}

fn open_archive(file: File, origin: &str) -> Result<(Objects, Storages), WeightsError> {
    let wrong = |reason: String| WeightsError::Pickle { file: origin.to_string(), reason };
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| wrong(e.to_string()))?;
    let names = zip.file_names().map(|name| name.map(|name| name.into_owned()));
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    let is_data = |name: &&String| *name == "data.pkl" || name.ends_with("/data.pkl");
    let mut pickles = names.iter().filter(is_data);
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        // What `model.save("….keras")` writes.
        if names.iter().any(|name| name == "model.weights.h5") {
            return Err(WeightsError::Keras { file: origin.to_string() });
        }
        return Err(wrong("it has no data.pkl; expected what torch.save writes".to_string()));
    };
    let root = pickle.trim_end_matches("data.pkl").to_string();
    if names.contains(&format!("{root}constants.pkl")) {
        return Err(wrong("it holds a TorchScript program; save its state_dict()".to_string()));
    }
    if let Ok(mut order) = zip.by_name(&format!("{root}byteorder")) {
        let mut text = String::new();
        if order.by_ref().take(16).read_to_string(&mut text).is_err() || text != "little" {
            return Err(wrong("its numbers are not little-endian".to_string()));
        }
    }

    let mut bytes = Vec::new();
    let entry = zip.by_name(pickle).map_err(|e| wrong(e.to_string()))?;
    if entry.size() > PICKLE_LIMIT {
        return Err(wrong(format!("its pickle has {} bytes, too many", entry.size())));
    }
    entry.take(PICKLE_LIMIT).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    let (objects, _) = unpickle(&bytes).map_err(wrong)?;
    Ok((objects, Storages::Archive { zip, root }))
}

fn tensors(
    objects: &Objects,
    state: &State,
    mut storages: Storages,
    origin: String,
) -> Result<TensorFile, WeightsError> {
    let wrong = |reason: String| WeightsError::Pickle { file: origin.clone(), reason };
    let (mut tensors, mut no_tensors) = (BTreeMap::new(), Vec::new());
    // Tensors may share a storage, and those that do mostly follow one another.
    let mut last: Option<(Storage, Vec<u8>)> = None;
    for item in entries(objects, state.dict) {
        let (name, entry) = item.map_err(wrong)?;
        let tensor = match entry {
            Entry::Unreadable(what) => FileTensor::Other { dtype: what, shape: Vec::new() },
            Entry::Other => {
                no_tensors.push(name);
                continue;
            }
            Entry::Tensor(described) => {
                let storage = &described.storage;
                let shape = described.shape.clone();
                match storage.dtype() {
                    None => FileTensor::Other { dtype: storage.type_name(), shape },
                    Some(dtype) => {
                        let bytes = match last.take() {
                            Some((known, bytes)) if known == *storage => bytes,
                            _ => storages.read(storage).map_err(wrong)?,
                        };
                        let gathered = described.gather(&bytes).map_err(|reason| {
                            wrong(format!("the tensor `{name}` cannot be read: {reason}"))
                        })?;
                        last = Some((storage.clone(), bytes));
                        let tensor =
                            Tensor::from_raw_buffer(&gathered, dtype, &shape, &Device::Cpu)?;
                        check_finite(&tensor, name, &origin)?;
                        FileTensor::Float(tensor)
                    }
                }
            }
        };
        tensors.insert(name.to_string(), tensor);
    }
    let mut notes = Vec::new();
    if !no_tensors.is_empty() {
        notes.push(format!("no tensors, and left out: {}", listed(&no_tensors)));
    }
    Ok(TensorFile { origin, tensors, metadata: BTreeMap::new(), notes, at_top: false })
}

#[cfg(test)]
mod tests;
