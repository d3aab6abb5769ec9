//! `history.jsonl`: one JSON object a line, an event each.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_run_folder::{Event, Step};
use toml::Value;

use super::listener::{Listener, Verdict, saved, state_of, truncate};
use crate::error::RunnerError;

/// Writes the start, every epoch and the end; with [`History::every`] also every n-th step.
///
/// A run that goes on has the same lines as one that never stopped, times aside: what was written
/// after the checkpoint is cut off.
pub struct History {
    path: PathBuf,
    file: File,
    every: u64,
    bytes: u64,
}

/// Up to where the file belongs to a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bytes: u64,
}

impl History {
    /// Opens a history to add to; [`Listener::restore`] cuts it back to the checkpoint.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, RunnerError> {
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(RunnerError::io(path))?;
        Ok(Self { path: path.to_path_buf(), file, every: 10, bytes: 0 })
    }

    /// Writes every n-th step; default 10; 0 writes none.
    pub fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }

    /// Cuts the file to `bytes`, or, where it is shorter, to its whole lines.
    fn cut(&mut self, bytes: u64) -> std::io::Result<()> {
        let text = std::fs::read(&self.path)?;
        let kept = text.get(..bytes as usize).unwrap_or(&text);
        let whole = kept.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        self.bytes = whole as u64;
        truncate(&mut self.file, self.bytes)
    }

    fn io(&self) -> impl Fn(std::io::Error) -> RunnerError + use<> {
        RunnerError::io(&self.path)
    }
}

impl Listener for History {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::Step(Step { step, .. }) if self.every == 0 || step % self.every != 0 => {
                return Ok(Verdict::Continue);
            }
            Event::Resumed { .. } | Event::Loaded { .. } | Event::BrokenCheckpoint { .. } => {
                return Ok(Verdict::Continue);
            }
            _ => {}
        }
        let mut line = serde_json::to_string(event).map_err(|e| self.io()(e.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(self.io())?;
        self.bytes += line.len() as u64;
        Ok(Verdict::Continue)
    }

    fn name(&self) -> &'static str {
        "history"
    }

    fn state(&self) -> Result<Option<Value>, RunnerError> {
        // The lines are on the disk before the checkpoint that counts them.
        self.file.sync_data().map_err(self.io())?;
        saved(self.name(), &State { bytes: self.bytes })
    }

    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let State { bytes } = state_of(self.name(), state)?;
        self.cut(bytes).map_err(self.io())
    }
}
