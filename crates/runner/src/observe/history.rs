//! `history.jsonl`: one JSON object a line, an event each.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Event, Listener, Verdict};
use crate::error::RunnerError;

/// Writes the start, every epoch and the end; with [`History::every`] also every n-th step.
pub struct History {
    path: PathBuf,
    file: File,
    every: u64,
}

impl History {
    /// Starts an empty history.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path) -> Result<Self, RunnerError> {
        let file = File::create(path)
            .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), file, every: 10 })
    }

    /// Writes every n-th step; default 10; 0 writes none.
    pub fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }
}

impl Listener for History {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if let Event::Step { step, .. } = event
            && (self.every == 0 || step % self.every != 0)
        {
            return Ok(Verdict::Continue);
        }
        let io = |source| RunnerError::Io { path: self.path.clone(), source };
        let mut line = serde_json::to_string(event).map_err(|e| io(e.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(io)?;
        Ok(Verdict::Continue)
    }
}
