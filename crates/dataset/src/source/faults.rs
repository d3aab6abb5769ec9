//! Files that cannot be read, all of them.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::source::images::Images;

/// The items that cannot be decoded, in the order given, each with its error.
///
/// Every item is decoded, in parallel; nothing is kept.
fn faults(source: &dyn Images, indices: &[usize]) -> Vec<(usize, Error)> {
    let faulty = |&index: &usize| Some((index, source.decode(index).err()?));
    indices.par_iter().filter_map(faulty).collect()
}

/// The error of one item in place of which all that are faulty are told.
pub(crate) fn with_all_faults(source: &dyn Images, indices: &[usize], first: Error) -> Error {
    if !matches!(first, Error::Image { .. } | Error::TooLarge { .. } | Error::Read { .. }) {
        return first;
    }
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    let faults = faults(source, &indices);
    match faults.len() {
        0 => first,
        1 => Error::Fault(Box::new(first)),
        count => {
            let lines = faults.iter().map(|(_, error)| format!("\n  {error}")).collect();
            Error::Faults { count, of: indices.len(), lines }
        }
    }
}

/// The items that cannot be decoded, ascending, so that [`without`](crate::source::without) can leave them
/// out; each with its error.
///
/// # Errors
///
/// When nothing can be decoded: the first item's error.
pub fn broken(source: &dyn Images) -> Result<Vec<(usize, Error)>> {
    let everything: Vec<usize> = (0..source.len()).collect();
    let mut faults = faults(source, &everything);
    if !faults.is_empty() && faults.len() == source.len() {
        return Err(faults.swap_remove(0).1);
    }
    Ok(faults)
}
