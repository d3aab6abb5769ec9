//! A schedule: a cosine that starts anew.

use serde::{Deserialize, Serialize};
use taper_cli::taper_runner::taper_optimizer::ScheduleKind;

/// Half a cosine, several times (Loshchilov and Hutter 2016, <https://arxiv.org/abs/1608.03983>).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restarts {
    /// How many times. Default 3.
    pub cycles: u64,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { cycles: 3 }
    }
}

impl ScheduleKind for Restarts {
    fn scale(&self, step: u64, total: u64) -> f64 {
        let share = (step * self.cycles) as f64 / total as f64;
        (1.0 + (std::f64::consts::PI * share.fract()).cos()) / 2.0
    }
}
