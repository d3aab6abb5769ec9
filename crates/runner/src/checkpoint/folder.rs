//! The folder of a run's checkpoints: saving, finding the newest that is whole, removing old ones.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stage::{Stage, reached};
use super::state::{Checkpoint, Header};
use crate::error::{ResumeError, RunnerError};
use crate::recipe::CheckpointRecipe;

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
const TEMPORARY: &str = ".tmp";
const LOCK: &str = ".lock";

/// A folder of checkpoints that this process alone writes to.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep_last: usize,
    keep_best: usize,
    /// Held until the process ends, however it ends.
    _lock: File,
}

/// The newest checkpoint that is whole.
#[derive(Debug, Default)]
pub struct Newest {
    /// Its file and what is in it; `None` where there is no checkpoint.
    pub found: Option<(PathBuf, Checkpoint)>,
    /// Newer files that are broken, each with what is wrong.
    pub broken: Vec<(PathBuf, String)>,
}

impl Checkpoints {
    /// Opens the folder, which is created where it is missing, and keeps other processes out.
    ///
    /// # Errors
    /// The folder cannot be created; another process is at work in it.
    pub fn open(folder: &Path, recipe: &CheckpointRecipe) -> Result<Self, RunnerError> {
        std::fs::create_dir_all(folder).map_err(RunnerError::io(folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(RunnerError::io(&path))?;
        if is_held(&lock) {
            return Err(ResumeError::Busy(folder.parent().unwrap_or(folder).to_path_buf()).into());
        }
        let (keep_last, keep_best) = (recipe.keep_last, recipe.keep_best);
        Ok(Self { folder: folder.to_path_buf(), keep_last, keep_best, _lock: lock })
    }

    /// Writes a checkpoint, whole or not at all, then removes those that need not stay.
    ///
    /// The bytes go to a temporary file, which is synced and renamed, and the folder is synced:
    /// whenever the process or the machine stops, the checkpoints that have their name are whole.
    ///
    /// # Errors
    /// [`ResumeError::Save`](crate::ResumeError::Save), with the last checkpoint that is there.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, RunnerError> {
        let step = checkpoint.header.position.step;
        let path = self.folder.join(format!("{PREFIX}{step:010}{SUFFIX}"));
        let bytes = checkpoint.to_bytes().map_err(|error| ResumeError::Unsavable {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let saved = self.write(&path, &bytes).and_then(|()| {
            reached(Stage::Prune);
            self.prune(&checkpoint.header)
        });
        match saved {
            Ok(()) => Ok(path),
            Err(source) => {
                let last = files(&self.folder).ok().and_then(|files| files.last().cloned());
                Err(ResumeError::Save { path, source, last: last.map(|(_, path)| path) }.into())
            }
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let written = (|| {
            let mut file = File::create(&temporary)?;
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first)?;
            reached(Stage::Write);
            file.write_all(second)?;
            reached(Stage::Sync);
            file.sync_all()?;
            reached(Stage::Rename);
            std::fs::rename(&temporary, path)
        })();
        if written.is_err() {
            // What is wrong already is what the caller has to know.
            let _ = std::fs::remove_file(&temporary);
        }
        written?;
        // The new name is on the disk once the folder is. Not every system can open a folder.
        match File::open(&self.folder) {
            Ok(folder) if cfg!(unix) => folder.sync_all(),
            _ => Ok(()),
        }
    }

    /// Removes what is neither among the last, nor among the best, nor of this run's past.
    fn prune(&self, header: &Header) -> std::io::Result<()> {
        let files = files(&self.folder)?;
        let now = header.position.step;
        let past: Vec<u64> = files.iter().map(|(step, _)| *step).filter(|s| *s <= now).collect();
        let mut stay: Vec<u64> = past.iter().rev().take(self.keep_last.max(1)).copied().collect();
        stay.extend(header.epochs.iter().take(self.keep_best).map(|epoch| epoch.step));
        for (_, path) in files.iter().filter(|(step, _)| !stay.contains(step)) {
            gone(std::fs::remove_file(path))?;
        }
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(TEMPORARY) {
                gone(std::fs::remove_file(path))?;
            }
        }
        Ok(())
    }

    /// Reads the newest checkpoint of a folder that is whole; a folder that is missing has none.
    ///
    /// # Errors
    /// The folder cannot be read; it holds checkpoints, and every one is broken.
    pub fn newest(folder: &Path) -> Result<Newest, RunnerError> {
        let io = RunnerError::io(folder);
        let mut newest = Newest::default();
        for (_, path) in files(folder).map_err(io)?.into_iter().rev() {
            let read = std::fs::read(&path).map_err(|error| error.to_string());
            let read = read.and_then(|b| Checkpoint::from_bytes(&b).map_err(|e| e.to_string()));
            match read {
                Ok(checkpoint) => {
                    newest.found = Some((path, checkpoint));
                    return Ok(newest);
                }
                Err(reason) => newest.broken.push((path, reason)),
            }
        }
        match newest.broken.first() {
            None => Ok(newest),
            Some((path, reason)) => Err(ResumeError::NoneWhole {
                path: path.clone(),
                reason: reason.clone(),
                broken: newest.broken.len(),
            }
            .into()),
        }
    }
}

/// Whether another process holds the lock after half a second: one that this process is starting has a
/// copy of the file until it has become its own program. A file system without locks is no reason not to
/// train.
fn is_held(lock: &File) -> bool {
    let held = || {
        std::thread::sleep(Duration::from_millis(10));
        matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    };
    matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) && (0..50).all(|_| held())
}

/// The checkpoints of a folder by step, oldest first.
fn files(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let step = name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(step) = step.and_then(|step| step.parse().ok()) {
            files.push((step, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// A file that is gone already is as good as removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
