//! A file of a stated size at most, in memory.

use std::path::Path;

use crate::error::{Error, Result};

/// Reads a file, of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(read_error)?.len();
    if size > limit {
        return Err(Error::TooLarge {
            item: path.display().to_string(),
            found: format!("{size} bytes"),
            limit: format!("{limit} bytes"),
        });
    }
    std::fs::read(path).map_err(read_error)
}
