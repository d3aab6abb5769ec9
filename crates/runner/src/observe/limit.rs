//! Ends a run after so many updates, or so much time.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use taper_run_folder::{Event, Step};
use toml::Value;

use super::listener::{Listener, Verdict, saved, state_of};
use crate::error::RunnerError;

/// Stops the run after `steps` updates or `minutes` minutes; 0 is no limit.
pub struct Limit {
    steps: u64,
    minutes: f64,
    /// Of the run's time before it was resumed.
    seconds_before: f64,
    since: Instant,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    seconds: f64,
}

impl Limit {
    /// A limit; time counts from now on, and goes on counting when the run is resumed.
    pub fn new(steps: u64, minutes: f64) -> Self {
        Self { steps, minutes, seconds_before: 0.0, since: Instant::now() }
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.since.elapsed().as_secs_f64()
    }
}

impl Listener for Limit {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        let (Event::Step(Step { step, .. }) | Event::Skipped { step, .. }) = event else {
            return Ok(Verdict::Continue);
        };
        if self.steps > 0 && *step >= self.steps {
            return Ok(Verdict::Stop(format!("limit of {}", count(self.steps as f64, "step"))));
        }
        if self.minutes > 0.0 && self.seconds() >= 60.0 * self.minutes {
            return Ok(Verdict::Stop(format!("limit of {}", count(self.minutes, "minute"))));
        }
        Ok(Verdict::Continue)
    }

    fn name(&self) -> &'static str {
        "limit"
    }

    fn state(&self) -> Result<Option<Value>, RunnerError> {
        saved(self.name(), &State { seconds: self.seconds() })
    }

    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let State { seconds } = state_of(self.name(), state)?;
        self.seconds_before = seconds;
        self.since = Instant::now();
        Ok(())
    }
}
/// A number of things, one or more.
fn count(n: f64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1.0 { "" } else { "s" })
}
