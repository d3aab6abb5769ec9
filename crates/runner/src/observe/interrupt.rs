//! Leaves a run when somebody asks from outside, by a signal for instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use taper_run_folder::Event;

use super::listener::{Listener, Verdict};
use crate::error::RunnerError;

/// Suspends the run at the first event at which its number is not 0.
pub struct Interrupt {
    asked: Arc<AtomicUsize>,
}

impl Interrupt {
    /// A listener that looks at `asked`, which anybody may set.
    pub fn new(asked: Arc<AtomicUsize>) -> Self {
        Self { asked }
    }
}

impl Listener for Interrupt {
    fn observe(&mut self, _: &Event) -> Result<Verdict, RunnerError> {
        match self.asked.load(Ordering::Relaxed) {
            0 => Ok(Verdict::Continue),
            _ => Ok(Verdict::Suspend("stopped".to_string())),
        }
    }
}
