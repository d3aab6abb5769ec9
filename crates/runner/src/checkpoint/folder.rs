//! The folder of a run's checkpoints: when one is saved, finding the newest that is whole, removing old ones.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use taper_untrusted::files;

use super::stage::{Stage, reached};
use super::state::{Checkpoint, Header};
use crate::error::{ResumeError, RunnerError};
use crate::position::Position;

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
const TEMPORARY: &str = ".tmp";

/// The checkpoints of a run, and what every one of them says.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    /// What every one says.
    pub(crate) header: Header,
    last: Option<PathBuf>,
    last_step: u64,
    last_time: Instant,
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
    /// Saves into a folder, which is created where it is missing; `last` is the checkpoint that the run goes on
    /// from, and its step.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub(crate) fn new(
        folder: PathBuf,
        header: Header,
        last: Option<(PathBuf, u64)>,
    ) -> Result<Self, RunnerError> {
        std::fs::create_dir_all(&folder).map_err(RunnerError::io(&folder))?;
        let (last, last_step) = last.map_or((None, 0), |(path, step)| (Some(path), step));
        Ok(Self { folder, header, last, last_step, last_time: Instant::now() })
    }

    /// Whether it is time for one within the epoch.
    pub(crate) fn is_due(&self, position: &Position) -> bool {
        let config = &self.header.recipe.checkpoint;
        let steps = position.step - self.last_step;
        let minutes = self.last_time.elapsed().as_secs_f64() / 60.0;
        (config.every_steps > 0 && steps >= config.every_steps)
            || (config.every_minutes > 0.0 && minutes >= config.every_minutes)
    }

    /// The last checkpoint, if there is one.
    pub(crate) fn last(&self) -> Option<PathBuf> {
        self.last.clone()
    }

    /// Writes a checkpoint, whole or not at all, then removes those that need not stay.
    ///
    /// The bytes go to a temporary file, which is synced and renamed, and the folder is synced:
    /// whenever the process or the machine stops, the checkpoints that have their name are whole.
    ///
    /// # Errors
    /// [`ResumeError::Save`](crate::ResumeError::Save), with the last checkpoint that is there.
    pub(crate) fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), RunnerError> {
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
        if let Err(source) = saved {
            let last = files(&self.folder).ok().and_then(|files| files.last().cloned());
            return Err(ResumeError::Save { path, source, last: last.map(|(_, path)| path) }.into());
        }
        (self.last, self.last_step, self.last_time) = (Some(path), step, Instant::now());
        Ok(())
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
        let config = &self.header.recipe.checkpoint;
        let mut stay: Vec<u64> = past.iter().rev().take(config.keep_last.max(1)).copied().collect();
        stay.extend(header.epochs.iter().take(config.keep_best).map(|epoch| epoch.step));
        for (_, path) in files.iter().filter(|(step, _)| !stay.contains(step)) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
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
            let read = files::read(&path, u64::MAX).map_err(|error| error.to_string());
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
