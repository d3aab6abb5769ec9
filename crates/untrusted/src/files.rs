//! Files of a user, opened and read: none that is not one, and no more of it than is allowed.
//!
//! A pipe would be waited for, and a device has no end; what the system says of a length is not believed, but
//! what is read is counted.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The most bytes of a file of one line: a name, a token.
pub const LINE: u64 = 1 << 16;

/// The most bytes of the header of a safetensors file: what is made of it takes up to thirty times as many.
pub const HEADER: u64 = 24 << 20;

/// Opens a file, or what a link leads to.
///
/// # Errors
///
/// Those of the system; and [`ErrorKind::InvalidInput`] for what is there and no file: a folder, a pipe, a device.
pub fn open(path: &Path) -> Result<File> {
    check(std::fs::metadata(path)?.file_type())?;
    File::open(path)
}

/// Makes sure that a file may be written where a path, or a link, leads, and be renamed to it: nothing is there, or a
/// file. A device would be gone for all.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for a folder, a pipe, a device.
///
/// ```
/// use taper_untrusted::files::check_place;
///
/// assert!(check_place("/no/such/file".as_ref()).is_ok());
/// let error = check_place("/dev/null".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "it is a device, expected a file");
/// ```
pub fn check_place(path: &Path) -> Result<()> {
    // What is wrong with one that cannot be looked at is told when it is written.
    std::fs::metadata(path).map_or(Ok(()), |found| check(found.file_type()))
}

fn check(kind: std::fs::FileType) -> Result<()> {
    match kind.is_file() {
        true => Ok(()),
        false => {
            let message = format!("it is {}, expected a file", what(kind));
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
///
/// As [`open`]; [`ErrorKind::FileTooLarge`] for one of more bytes, of which none is kept.
///
/// ```
/// use taper_untrusted::files::read;
///
/// let error = read("/dev/null".as_ref(), 10).unwrap_err();
/// assert_eq!(error.to_string(), "it is a device, expected a file");
/// ```
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_large(format!("{length} bytes"), limit));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    // In one go, so that what is written meanwhile is not taken for what is beyond the limit.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        false => Ok(bytes),
        true => Err(too_large(format!("more than {limit} bytes"), limit)),
    }
}

/// As [`read`], of a text.
///
/// # Errors
///
/// As [`read`]; [`ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    text(read(path, limit)?)
}

pub(crate) fn text(bytes: Vec<u8>) -> Result<String> {
    let not_text = |_| Error::new(ErrorKind::InvalidData, "it is not UTF-8, expected text");
    String::from_utf8(bytes).map_err(not_text)
}

fn too_large(found: String, limit: u64) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("it has {found}, the limit is {limit}"))
}

#[cfg(unix)]
fn what(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn what(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "a device" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_opened() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink(".", at("folder")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for (name, what) in [
            ("socket", "a socket"),
            ("zero", "a device"),
            ("folder", "a folder"),
            ("pipe", "a pipe"),
        ] {
            let error = read(&at(name), 10).unwrap_err();
            assert_eq!(error.to_string(), format!("it is {what}, expected a file"));
        }
        assert_eq!(open(&at("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn no_more_than_the_limit_is_read_whatever_the_length_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "éé").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "éé");
        let error = read(&path, 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it has 4 bytes, the limit is 3");
        std::fs::write(&path, b"\xe9").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "it is not UTF-8, expected text");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_tells_no_length_is_counted() {
        // The system says 0 of what it makes up while it is read.
        let error = read("/proc/self/maps".as_ref(), 10).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 10 bytes, the limit is 10");
        assert!(read("/proc/self/maps".as_ref(), 1 << 20).unwrap().len() > 10);
    }
}
