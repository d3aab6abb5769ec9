//! What lies in a folder, and a file read whole.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What lies in a folder, in byte order.
pub(crate) fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read_error = |source| Error::Read { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(read_error)?;
    let paths = entries.map(|entry| Ok(entry.map_err(read_error)?.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// Folders and other entries, each in byte order, without hidden ones.
pub(crate) fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let paths = sorted_entries(folder)?.into_iter().filter(|path| !is_hidden(path));
    Ok(paths.partition(|path| path.is_dir()))
}

/// Whether a name begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The last part of a path, for class names and messages; bytes that are not UTF-8 as `\xe9`, so that
/// different names stay different. Never to be made a path again.
pub(crate) fn name_of(path: &Path) -> String {
    text_of(path.file_name().unwrap_or_default().as_encoded_bytes())
}

/// Bytes as text, those that are not UTF-8 as `\xe9`.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let chunks = bytes.utf8_chunks();
    let text = |chunk: std::str::Utf8Chunk<'_>| {
        let invalid: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        chunk.valid().to_owned() + &invalid
    };
    chunks.map(text).collect()
}

/// Whether a file's name ends with `.ending`, in upper or lower case.
pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// Reads a file of at most `limit` bytes; what is no file, such as a pipe, is not opened.
pub(crate) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    taper_untrusted::files::read(path, limit).map_err(read_error)
}
