//! Parameters under another program's names.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::error::WeightsError;
use super::key_map::KeyMap;
use super::save::{tensors_to_bytes, write_whole};
use crate::params::Params;
use crate::pattern::rename;

/// Saves all parameters under the names of another program, as [`save`](super::save()) would under
/// their own.
///
/// `map` is read from the net's names to the others': first each join backwards, the whole cut into
/// equal parts along the first dimension, then the rules. `more` is written besides, such as a token
/// that the others' net has and this one has no use for.
///
/// # Errors
///
/// As [`save`](super::save()); a whole that cannot be cut: candle's.
pub fn export(
    path: &Path,
    params: &Params,
    map: &KeyMap,
    more: BTreeMap<String, Tensor>,
) -> Result<(), WeightsError> {
    let mut named = exported(params, map)?;
    named.extend(more);
    let bytes = tensors_to_bytes(named.into_iter(), &BTreeMap::new(), DType::F32)?;
    write_whole(path, &bytes)
}

/// The tensors under their new names.
fn exported(params: &Params, map: &KeyMap) -> candle_core::Result<BTreeMap<String, Tensor>> {
    let mut named = BTreeMap::new();
    for (name, param) in params {
        let tensor = param.var.as_detached_tensor();
        let join = map.joins.iter().find_map(|join| {
            let parts = join.parts.iter().map(|part| rename(&join.whole, part, name));
            parts.collect::<Option<Vec<String>>>()
        });
        match join {
            None => drop(named.insert(map.apply(name), tensor)),
            Some(parts) => {
                let pieces = tensor.chunk(parts.len(), 0)?;
                for (part, piece) in parts.iter().zip(pieces) {
                    named.insert(map.apply(part), piece.contiguous()?);
                }
            }
        }
    }
    Ok(named)
}
