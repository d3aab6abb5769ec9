//! Lowers the learning rate of a run that no longer gets better.

use serde::{Deserialize, Serialize};
use taper_run_folder::{Epoch, Event};

use super::early_stopping::Waiting;
use super::listener::{Listener, Verdict, keeps_state};
use crate::error::RunnerError;
use crate::recipe::PlateauRecipe;

/// Multiplies the learning rate with `factor` when the validation metric has not improved for more
/// than `patience` epochs in a row.
///
/// That is PyTorch's `ReduceLROnPlateau` with `threshold_mode='abs'`, on top of the schedule.
pub struct Plateau {
    recipe: PlateauRecipe,
    state: State,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    waiting: Waiting,
    /// Epochs in which nothing is counted, after a reduction.
    cooldown: usize,
    scale: f64,
}

impl Plateau {
    /// By the recipe, whose factor is below 1.
    pub fn new(recipe: PlateauRecipe) -> Self {
        let state = State { waiting: Waiting::default(), cooldown: 0, scale: 1.0 };
        Self { recipe, state }
    }
}

impl Listener for Plateau {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        let Event::Epoch(Epoch { validation: Some(scores), .. }) = event else {
            return Ok(Verdict::Continue);
        };
        let PlateauRecipe { ref metric, min_delta, .. } = self.recipe;
        let state = &mut self.state;
        let better = |best| metric.improves(scores, best, min_delta);
        let mut waited = state.waiting.take(better, metric.of(scores));
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.waiting.epochs = 0;
            waited = 0;
        }
        if waited <= self.recipe.patience {
            return Ok(Verdict::Continue);
        }
        state.waiting.epochs = 0;
        state.cooldown = self.recipe.cooldown;
        let scale = (state.scale * self.recipe.factor).max(self.recipe.min_scale);
        let factor = scale / state.scale;
        state.scale = scale;
        Ok(if factor < 1.0 { Verdict::ScaleRate(factor) } else { Verdict::Continue })
    }

    keeps_state!("plateau");
}

#[cfg(test)]
mod tests;
