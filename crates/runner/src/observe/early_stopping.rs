//! Ends a run that no longer gets better.

use serde::{Deserialize, Serialize};
use taper_run_folder::{Epoch, Event};

use super::listener::{Listener, Verdict, keeps_state};
use crate::error::RunnerError;
use crate::recipe::EarlyStoppingRecipe;

/// Stops the run when the validation metric has not improved for `patience` epochs in a row.
pub struct EarlyStopping {
    recipe: EarlyStoppingRecipe,
    state: Waiting,
}

/// How long an improvement has been waited for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub best: Option<f64>,
    pub epochs: usize,
}

impl Waiting {
    /// Takes in an epoch's value, which may be better than the best so far: how many epochs in a row have brought no improvement.
    pub fn take(&mut self, better: impl Fn(f64) -> bool, value: f64) -> usize {
        if self.best.is_none_or(better) && !value.is_nan() {
            *self = Self { best: Some(value), epochs: 0 };
        } else {
            self.epochs += 1;
        }
        self.epochs
    }
}

impl EarlyStopping {
    /// By the recipe, whose patience is above 0.
    pub fn new(recipe: EarlyStoppingRecipe) -> Self {
        Self { recipe, state: Waiting::default() }
    }
}

impl Listener for EarlyStopping {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        let Event::Epoch(Epoch { validation: Some(scores), .. }) = event else {
            return Ok(Verdict::Continue);
        };
        let EarlyStoppingRecipe { patience, ref metric, min_delta } = self.recipe;
        let better = |best| metric.improves(scores, best, min_delta);
        let waited = self.state.take(better, metric.of(scores));
        Ok(match (waited >= patience, self.state.best) {
            (false, _) => Verdict::Continue,
            (true, Some(_)) => Verdict::Stop(format!("no better {metric} for {patience} epochs")),
            (true, None) => {
                Verdict::Stop(format!("{metric} was undefined (NaN) for {patience} epochs"))
            }
        })
    }

    keeps_state!("early_stopping");
}
