//! Ends a run after so many updates, or so much time.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use taper_run_folder::{Event, Step};

use super::listener::{Listener, Verdict, keeps_state};
use crate::error::RunnerError;

/// Stops the run after `steps` updates or `minutes` minutes; 0 is no limit.
pub struct Limit {
    steps: u64,
    minutes: f64,
    state: State,
    since: Instant,
}

/// The run's time up to its last update.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    seconds: f64,
}

impl Limit {
    /// A limit; time counts from now on, and goes on counting when the run is resumed.
    pub fn new(steps: u64, minutes: f64) -> Self {
        Self { steps, minutes, state: State { seconds: 0.0 }, since: Instant::now() }
    }
}

impl Listener for Limit {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        self.state.seconds += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        let (Event::Step(Step { step, .. }) | Event::Skipped { step, .. }) = event else {
            return Ok(Verdict::Continue);
        };
        if self.steps > 0 && *step >= self.steps {
            return Ok(Verdict::Stop(format!("limit of {}", count(self.steps as f64, "step"))));
        }
        if self.minutes > 0.0 && self.state.seconds >= 60.0 * self.minutes {
            return Ok(Verdict::Stop(format!("limit of {}", count(self.minutes, "minute"))));
        }
        Ok(Verdict::Continue)
    }

    keeps_state!("limit");
}

/// A number of things, one or more.
fn count(n: f64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1.0 { "" } else { "s" })
}
