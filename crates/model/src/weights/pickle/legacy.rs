//! The files that PyTorch wrote before 1.6: pickles one after another, then the storages.
//!
//! A magic number, the version of the protocol, what machine it was, the object, the names of its storages
//! in the order in which they follow; each storage is the number of its elements (8 bytes) and the elements.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use taper_untrusted::pickle::{Object, Objects, PICKLE_LIMIT, unpickle};

use super::state_dict::{Storage, storage};

/// `0x1950a86a20f9469cfc6c`.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The only version of the protocol.
const PROTOCOL: i64 = 1001;

/// The storages of an old file, by their places in it.
pub(super) struct Legacy {
    file: File,
    /// Where the elements of each begin.
    places: BTreeMap<String, u64>,
}

impl Legacy {
    /// Reads the pickles, and finds the storages.
    pub fn open(mut file: File) -> Result<(Objects, Self), String> {
        let mut bytes = Vec::new();
        let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        file.rewind().map_err(|e| e.to_string())?;
        file.by_ref().take(PICKLE_LIMIT).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let mut at = 0;
        let mut next = || {
            let (objects, length) = unpickle(&bytes[at..])?;
            at += length;
            Ok::<Objects, String>(objects)
        };
        let magic = next()?;
        if !matches!(magic.get(magic.root), Object::Long(number) if *number == MAGIC) {
            let what = magic.describe(magic.root);
            return Err(format!("it is a pickle of {what}, expected what torch.save writes"));
        }
        let protocol = next()?;
        if !matches!(protocol.get(protocol.root), Object::Int(PROTOCOL)) {
            return Err(format!("it is not of the protocol {PROTOCOL}"));
        }
        let machine = next()?;
        let items = machine.dict(machine.root).unwrap_or_default();
        let order = items.into_iter().find(|item| machine.text(item.0) == Some("little_endian"));
        if !order.is_some_and(|item| matches!(machine.get(item.1), Object::Bool(true))) {
            return Err("its numbers are not little-endian".to_string());
        }
        let (object, names) = (next()?, next()?);
        let names = names
            .list(names.root)
            .and_then(|list| list.iter().map(|name| names.text(*name)).collect::<Option<Vec<_>>>());
        let names = names.ok_or("it does not name its storages")?;
        let places = places(&mut file, &object, names, at as u64, length)?;
        Ok((object, Self { file, places }))
    }

    pub fn read(&mut self, storage: &Storage) -> Result<Vec<u8>, String> {
        let place = self.places.get(&storage.name);
        let lacks =
            || format!("it has no storage `{}`, or one of an unknown type before it", storage.name);
        let place = *place.ok_or_else(lacks)?;
        let length = storage.bytes()?;
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(place)).map_err(|e| e.to_string())?;
        self.file.by_ref().take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

/// Where the elements of each storage begin.
fn places(
    file: &mut File,
    object: &Objects,
    names: Vec<&str>,
    mut at: u64,
    length: u64,
) -> Result<BTreeMap<String, u64>, String> {
    let mut storages: BTreeMap<String, Storage> = BTreeMap::new();
    for id in object.iter() {
        if let Object::Persistent(id) = id
            && let Ok((storage, _)) = storage(object, *id)
        {
            if let Some(known) = storages.get(&storage.name)
                && *known != storage
            {
                return Err(format!(
                    "it describes the storage `{}` twice, each time another",
                    storage.name
                ));
            }
            storages.insert(storage.name.clone(), storage);
        }
    }
    let mut places = BTreeMap::new();
    for name in names {
        let storage = storages.get(name).ok_or("it has a storage that nothing is stored in")?;
        // Where one of a type that is not known ends is not known either; what follows may be of no use.
        if storage.element_size().is_none() {
            break;
        }
        let size = storage.bytes()?;
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(at)).map_err(|e| e.to_string())?;
        let ends = at.checked_add(8).and_then(|at| at.checked_add(size));
        let Some(ends) = ends.filter(|ends| *ends <= length) else {
            return Err(format!(
                "it has {length} bytes and ends within the storage `{name}`; it may be cut short"
            ));
        };
        file.read_exact(&mut count).map_err(|e| e.to_string())?;
        if u64::from_le_bytes(count) != storage.elements as u64 {
            let (stored, described) = (u64::from_le_bytes(count), storage.elements);
            return Err(format!(
                "the storage `{name}` has {stored} elements where {described} are described"
            ));
        }
        places.insert(name.to_string(), at + 8);
        at = ends;
    }
    Ok(places)
}
