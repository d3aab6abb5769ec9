//! Files that cannot be read, all of them.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::source::Source;

/// The items that cannot be decoded, in the order given, each with its error.
///
/// Every item is decoded, in parallel; nothing is kept.
pub fn faults(source: &dyn Source, indices: &[usize]) -> Vec<(usize, Error)> {
    let faulty = |&index: &usize| Some((index, source.decode(index).err()?));
    indices.par_iter().filter_map(faulty).collect()
}

/// The error of one item in place of which all that are faulty are told.
pub(crate) fn all(source: &dyn Source, indices: &[usize], first: Error) -> Error {
    if !matches!(first, Error::Image { .. } | Error::TooLarge { .. } | Error::Read { .. }) {
        return first;
    }
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    let faults = faults(source, &indices);
    match faults.len() {
        0 | 1 => first,
        count => {
            let lines = faults.iter().map(|(_, error)| format!("\n  {error}")).collect();
            Error::Faults { count, of: indices.len(), lines }
        }
    }
}

/// Decodes everything and gives what can be decoded, with the errors of the rest.
///
/// # Errors
///
/// When nothing can be decoded.
pub fn sound(source: &dyn Source) -> Result<(Vec<usize>, Vec<(usize, Error)>)> {
    let all: Vec<usize> = (0..source.len()).collect();
    let faults = faults(source, &all);
    let is_sound = |index: &usize| faults.binary_search_by_key(index, |(i, _)| *i).is_err();
    let sound: Vec<usize> = all.into_iter().filter(is_sound).collect();
    match faults.into_iter().map(|fault| (fault.0, fault.1)).collect::<Vec<_>>() {
        mut faults if sound.is_empty() && !faults.is_empty() => Err(faults.swap_remove(0).1),
        faults => Ok((sound, faults)),
    }
}
