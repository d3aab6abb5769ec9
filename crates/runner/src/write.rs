//! Files that are written whole or not at all.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::error::RunnerError;

/// Writes a file whole or not at all: to a temporary file beside it, then renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunnerError> {
    let io = |source| RunnerError::Io { path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // tempfile's default is private to the user; what a run writes follows the umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Writes a value as JSON that people can read, whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunnerError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| RunnerError::Config { path: path.to_path_buf(), reason: e.to_string() })?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}
