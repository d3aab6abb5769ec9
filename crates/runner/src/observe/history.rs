//! `history.jsonl`: one JSON object a line, an event each.

use std::path::Path;

use taper_run_folder::{Event, Step};
use toml::Value;

use super::listener::{Listener, Verdict};
use super::log_file::LogFile;
use crate::error::RunnerError;

/// The listener's name.
const NAME: &str = "history";

/// Writes the start, every epoch and the end, and every n-th step.
///
/// A run that goes on has the same lines as one that never stopped, times aside: what was written
/// after the checkpoint is cut off.
pub struct History {
    file: LogFile,
    every: u64,
}

impl History {
    /// Opens a history to add every `every`-th step to, 0: none; [`Listener::restore`] cuts it back to the
    /// checkpoint.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, every: u64) -> Result<Self, RunnerError> {
        Ok(Self { file: LogFile::open(NAME, path)?, every })
    }
}

impl Listener for History {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::Step(Step { step, .. }) if self.every == 0 || step % self.every != 0 => {
                return Ok(Verdict::Continue);
            }
            Event::Warned { .. }
            | Event::Resumed { .. }
            | Event::Loaded { .. }
            | Event::BrokenCheckpoint { .. } => return Ok(Verdict::Continue),
            _ => {}
        }
        let mut line = serde_json::to_vec(event).map_err(|error| self.file.io()(error.into()))?;
        line.push(b'\n');
        self.file.append(&line)?;
        Ok(Verdict::Continue)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> Result<Option<Value>, RunnerError> {
        self.file.state()
    }

    /// Cuts the file to the length that was saved, or, where it is shorter, to its whole lines.
    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let (text, bytes) = (self.file.read()?, self.file.saved_length(state)?);
        let kept = text.get(..bytes).unwrap_or(&text);
        let whole = kept.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        self.file.cut(whole as u64)
    }
}
