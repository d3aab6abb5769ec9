//! A file that grows with a run, and is cut back where the run goes on from a checkpoint.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::listener::{saved, state_of};
use crate::error::RunnerError;

/// A file to append to, by the listener of a name.
pub(super) struct LogFile {
    listener: &'static str,
    path: PathBuf,
    file: File,
    state: State,
}

/// Up to where the file belongs to a checkpoint.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bytes: u64,
}

impl LogFile {
    /// Opens the file, which is created where it is missing.
    pub fn open(listener: &'static str, path: &Path) -> Result<Self, RunnerError> {
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(RunnerError::io(path))?;
        Ok(Self { listener, path: path.to_path_buf(), file, state: State::default() })
    }

    pub fn io(&self) -> impl Fn(std::io::Error) -> RunnerError + use<> {
        RunnerError::io(&self.path)
    }

    /// What is in it.
    pub fn read(&self) -> Result<Vec<u8>, RunnerError> {
        std::fs::read(&self.path).map_err(self.io())
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), RunnerError> {
        self.file.write_all(bytes).map_err(self.io())?;
        self.state.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Cuts it to a length and goes on there.
    pub fn cut(&mut self, bytes: u64) -> Result<(), RunnerError> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        self.state.bytes = cut.map_err(self.io())?;
        Ok(())
    }

    /// Its length, to be saved; so far it is on the disk before the checkpoint that counts it.
    pub fn state(&self) -> Result<Option<Value>, RunnerError> {
        self.file.sync_data().map_err(self.io())?;
        saved(self.listener, &self.state)
    }

    /// The length that was saved.
    pub fn saved_length(&self, state: &Value) -> Result<usize, RunnerError> {
        state_of(self.listener, state).map(|State { bytes }| bytes as usize)
    }
}
