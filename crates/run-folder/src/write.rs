//! Files that are written whole or not at all.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use taper_untrusted::files;

use crate::error::RunFolderError;

/// Writes a file whole or not at all: to a temporary file beside it, then renamed.
///
/// # Errors
/// [`RunFolderError::Io`]; what is there is no file, but a device or a pipe.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunFolderError> {
    let written = (|| {
        files::check_place(path)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            // tempfile's default is private to the user; what a run writes follows the umask.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    })();
    written.map(|_| ()).map_err(RunFolderError::io(path))
}

/// Writes a value as JSON that people can read, whole or not at all.
///
/// # Errors
/// [`RunFolderError::Io`]; a value that JSON cannot hold.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunFolderError> {
    write_whole(path, &json(path, value)?)
}

/// A value as JSON that people can read, for the file at `path`.
pub(crate) fn json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, RunFolderError> {
    let text = serde_json::to_string_pretty(value);
    Ok((text.map_err(|error| RunFolderError::invalid(path, error))? + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = write_whole(&path, b"page").unwrap_err().to_string();
        assert!(error.ends_with("page.html: it is a socket, expected a file"), "{error}");
        let link = folder.path().join("link.html");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let error = write_whole(&link, b"page").unwrap_err().to_string();
        assert!(error.ends_with("link.html: it is a device, expected a file"), "{error}");
        assert!(link.is_symlink());
    }
}
