//! Checksums of the files of a folder, as `sha256sum` writes and checks them.
//!
//! Who writes a folder whole lists its files in [`SUMS`]; who reads one of them compares. A file that the list
//! does not name, or that was copied away from it, is read as it is.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::files;

/// The list of a folder: a line of each file, its SHA-256 in hexadecimal digits, two spaces and its name.
/// `sha256sum -c SHA256SUMS` checks it.
pub const SUMS: &str = "SHA256SUMS";

/// The most bytes of a configuration, a list of names: a million classes have less.
pub const TEXT: u64 = 1 << 26;

/// The most bytes of settings, such as a recipe as TOML: reading them takes up to four hundred times as many.
pub const SETTINGS: u64 = 1 << 20;

/// The most bytes of what a run tells of itself, line by line or class by class.
pub const RECORD: u64 = 1 << 30;

/// More than a list has that is written here.
const LIMIT: u64 = 1 << 20;

/// The line of a file in the list of its folder.
///
/// ```
/// let line = taper_untrusted::checksums::line("empty.txt", b"");
/// assert!(line.starts_with("e3b0c44298fc1c14") && line.ends_with("  empty.txt\n"));
/// ```
pub fn line(name: &str, bytes: &[u8]) -> String {
    format!("{}  {name}\n", hex(&Sha256::digest(bytes)))
}

/// Bytes as hexadecimal digits, as digests are written.
///
/// ```
/// assert_eq!(taper_untrusted::checksums::hex(&[0, 0xa5]), "00a5");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares the bytes of a file with the list beside it, where there is one that names the file.
///
/// # Errors
///
/// [`ErrorKind::InvalidData`]: these are not the bytes that were written.
pub fn verify(path: &Path, bytes: &[u8]) -> Result<()> {
    compare(path, || Ok(hex(&Sha256::digest(bytes))))
}

/// As [`verify`], of a file that is not read whole; it is read only where the list names it.
///
/// # Errors
///
/// As [`verify`]; those of [`files::open`].
pub fn verify_file(path: &Path) -> Result<()> {
    compare(path, || {
        let mut file = BufReader::with_capacity(1 << 20, files::open(path)?);
        let mut hash = Sha256::new();
        loop {
            let bytes = file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(hex(&hash.finalize()));
            }
            hash.update(bytes);
            let read = bytes.len();
            file.consume(read);
        }
    })
}

fn compare(path: &Path, digest: impl FnOnce() -> Result<String>) -> Result<()> {
    let list = path.with_file_name(SUMS);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    // One that cannot be read, or is of something else, says nothing.
    let Ok(listed) = files::read(&list, LIMIT) else { return Ok(()) };
    let listed = String::from_utf8_lossy(&listed);
    let mut lines = listed.lines().filter_map(|line| line.split_once("  "));
    let Some((expected, _)) = lines.find(|(_, named)| *named == name) else { return Ok(()) };
    match digest()? == expected {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::InvalidData,
            format!(
                "it is not the file that was written: its SHA-256 is another than {} says; restore it, or, if \
                 the change is meant, remove its line there",
                list.display()
            ),
        )),
    }
}

/// Reads a file of at most `limit` bytes, and compares it as [`verify`] does.
///
/// # Errors
///
/// Those of [`files::read`] and of [`verify`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let bytes = files::read(path, limit)?;
    verify(path, &bytes)?;
    Ok(bytes)
}

/// As [`read`], of a text.
///
/// # Errors
///
/// As [`read`]; [`ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    files::text(read(path, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_file_that_changed_is_an_error_and_every_other_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            std::fs::write(at(name), name).unwrap();
        }
        assert_eq!(read(&at("a"), 10).unwrap(), b"a");
        let list = line("a", b"a") + &line("gone", b"");
        std::fs::write(at(SUMS), &list).unwrap();
        verify_file(&at("a")).unwrap();
        verify_file(&at("nowhere")).unwrap();
        assert_eq!(read_text(&at("a"), 10).unwrap(), "a");
        assert_eq!(read_text(&at("b"), 10).unwrap(), "b");
        std::fs::write(at("a"), "c").unwrap();
        let error = read(&at("a"), 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let expected = format!(
            "it is not the file that was written: its SHA-256 is another than {} says",
            at(SUMS).display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(verify_file(&at("a")).unwrap_err().to_string(), error.to_string());
    }

    #[test]
    fn a_bit_that_flips_in_the_list_makes_an_error_of_its_file_or_none_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), "a").unwrap();
        let list = (line("a", b"a") + &line("b", b"b")).into_bytes();
        for bit in 0..8 * list.len() {
            let mut list = list.clone();
            list[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(at(SUMS), &list).unwrap();
            let is_in_its_digits = bit / 8 < 64;
            assert_eq!(read(&at("a"), 10).is_err(), is_in_its_digits, "bit {bit}");
        }
    }

    #[test]
    fn what_is_no_list_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a").unwrap();
        std::fs::create_dir(folder.path().join(SUMS)).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"a");
    }
}
