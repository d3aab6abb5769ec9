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

/// Those of some items that cannot be decoded, in the order given, so that they can be left out; each with
/// its error. No other item is opened.
///
/// # Errors
///
/// When none of them can be decoded.
pub fn broken(source: &dyn Images, indices: &[usize]) -> Result<Vec<(usize, Error)>> {
    let mut faults = faults(source, indices);
    if !faults.is_empty() && faults.len() == indices.len() {
        let (of, first) = (faults.len(), Box::new(faults.swap_remove(0).1));
        return Err(Error::NoneLeft { of, first });
    }
    Ok(faults)
}
