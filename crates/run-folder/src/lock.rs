//! Who may write in a run's folder: one process at a time.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::RunFolderError;

/// The file that is locked where a folder cannot be.
pub(crate) const LOCK: &str = ".lock";

/// A folder that this process alone writes to, until this is dropped or the process ends, however it ends.
///
/// It is taken before anything else is done with the folder, and held until all is written. On a file
/// system without locks it keeps nobody out.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    /// Whether the folder was not there before.
    created: bool,
    _file: File,
}

impl FolderLock {
    /// Takes a folder, which is created where it is missing.
    ///
    /// # Errors
    /// [`RunFolderError::Busy`] where another process has it, [`RunFolderError::NotAFolder`] where there is a file;
    /// an empty path, a folder that cannot be created.
    pub fn take(path: &Path) -> Result<Self, RunFolderError> {
        if path.as_os_str().is_empty() {
            let empty =
                std::io::Error::new(ErrorKind::InvalidInput, "expected the path of a folder");
            return Err(RunFolderError::io(Path::new("\"\""))(empty));
        }
        let mut parents = path.ancestors().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(file) = parents.find(|parent| parent.is_file()) {
            return Err(RunFolderError::NotAFolder(file.to_path_buf()));
        }
        loop {
            let created = !path.exists();
            std::fs::create_dir_all(path).map_err(RunFolderError::io(path))?;
            if let Some(lock) = Self::lock(path, created)? {
                return Ok(lock);
            }
        }
    }

    /// Takes the first free `base/NAME-N`, N from 1, which is created.
    ///
    /// # Errors
    /// A folder that cannot be created.
    pub fn take_free(base: &Path, name: &str) -> Result<Self, RunFolderError> {
        std::fs::create_dir_all(base).map_err(RunFolderError::io(base))?;
        let mut n = 0u64;
        loop {
            n += 1;
            let path = base.join(format!("{name}-{n}"));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                created => created.map_err(RunFolderError::io(&path))?,
            }
            if let Some(lock) = Self::lock(&path, true)? {
                return Ok(lock);
            }
        }
    }

    /// None where the folder went before it was locked.
    fn lock(path: &Path, created: bool) -> Result<Option<Self>, RunFolderError> {
        let file = match open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(RunFolderError::io(path))?,
        };
        match is_held(&file) {
            true => Err(RunFolderError::Busy(path.to_path_buf())),
            false if !is_at(&file, path) => Ok(None),
            false => Ok(Some(Self { path: path.to_path_buf(), created, _file: file })),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder that was created for nothing goes again.
impl Drop for FolderLock {
    fn drop(&mut self) {
        if self.created {
            // It stays where there is something in it.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// What is locked of a folder: itself, so that nothing is left behind.
#[cfg(unix)]
fn open(folder: &Path) -> std::io::Result<File> {
    File::open(folder)
}

/// What is locked of a folder: a file in it.
#[cfg(not(unix))]
fn open(folder: &Path) -> std::io::Result<File> {
    File::create(folder.join(LOCK))
}

/// Whether what is locked still has the path: who failed may have removed it, and another made it anew.
#[cfg(unix)]
fn is_at(file: &File, folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let found = |metadata: std::io::Result<_>| metadata.map(place).ok();
    found(file.metadata()) == found(std::fs::metadata(folder))
}

#[cfg(not(unix))]
fn is_at(_: &File, folder: &Path) -> bool {
    folder.is_dir()
}

/// Whether another process holds the lock after half a second: one that this process is starting has a
/// copy of the file until it has become its own program. A file system without locks is no reason not to
/// train.
fn is_held(file: &File) -> bool {
    let held = || matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    let still_held = || {
        std::thread::sleep(Duration::from_millis(10));
        held()
    };
    held() && (0..50).all(|_| still_held())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_processs_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let error = FolderLock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another process is at work on this run"), "{error}");
        drop(lock);
        FolderLock::take(folder.path()).unwrap();
    }

    #[test]
    fn an_empty_path_is_refused() {
        let error = FolderLock::take(Path::new("")).unwrap_err().to_string();
        assert!(
            error.contains("\"\"") && error.contains("expected the path of a folder"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_was_created_for_nothing_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/one");
        drop(FolderLock::take(&path).unwrap());
        assert!(!path.exists());
        let lock = FolderLock::take(&path).unwrap();
        std::fs::write(path.join("recipe.toml"), "").unwrap();
        drop(lock);
        assert!(path.exists());
        drop(FolderLock::take(folder.path()).unwrap());
        assert!(folder.path().exists());
    }

    #[test]
    fn several_at_once_each_get_a_free_folder_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("train-1")).unwrap();
        let take = || FolderLock::take_free(folder.path(), "train").unwrap();
        let locks: Vec<FolderLock> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut paths: Vec<&Path> = locks.iter().map(FolderLock::path).collect();
        paths.sort();
        let expected = [2, 3, 4, 5].map(|n| folder.path().join(format!("train-{n}")));
        assert_eq!(paths, expected.each_ref().map(|path| path.as_path()));
    }
}
