//! What is done with the validation part, and the weights that a run ends with.

use taper_run_folder::{OwnScore, Scores};

use super::training::Training;
use crate::checkpoint::EpochValue;
use crate::error::RunnerError;
use crate::observe::{Listener, Verdicts, When, show_scored};
use crate::scores::scores;

impl Training<'_> {
    /// Scores the weights of the epoch's end on the validation part, where there is one, and keeps
    /// them if they are the best so far; and what the listeners want of that. With an average it is the average that is scored.
    pub(super) fn validate(
        &mut self,
        listeners: &mut [Box<dyn Listener>],
    ) -> Result<(Option<Scores>, Verdicts), RunnerError> {
        let nothing = (None, Verdicts::default());
        if self.plan.data.validation.is_none() {
            return Ok(nothing);
        }
        self.average.swap()?;
        let Some(evaluation) = self.evaluate_validation(listeners)? else { return Ok(nothing) };
        let scored = scores(&evaluation, &self.plan.metrics)?;
        self.note(&scored)?;
        let when = When::Epoch(self.position.epoch);
        let answers = (&evaluation, &scored);
        let verdicts = show_scored(listeners, when, self.plan, self.loaded, answers)?;
        self.average.swap()?;
        Ok((Some(scored), verdicts))
    }

    fn note(&mut self, scores: &Scores) -> Result<(), RunnerError> {
        let select = &self.recipe().select;
        let OwnScore { value, better } = match select.metric.read(scores) {
            Some(score) if !score.value.is_nan() => score,
            _ => return Ok(()),
        };
        let epoch = EpochValue { epoch: self.position.epoch, step: self.position.step, value };
        let is_better = |a: &EpochValue, b: &EpochValue| better.improves(a.value, b.value, 0.0);
        if select.best && self.best.as_ref().is_none_or(|(best, _)| is_better(&epoch, best)) {
            self.best = Some((epoch, self.loaded.params.to_tensors()?));
        }
        // Of equal ones the first stands first.
        let place = self.epochs.iter().position(|other| is_better(&epoch, other));
        self.epochs.insert(place.unwrap_or(self.epochs.len()), epoch);
        self.epochs.truncate(self.recipe().checkpoint.keep_best);
        Ok(())
    }

    /// Sets the weights that the run ends with: the best epoch's, the average's, or the last.
    pub(super) fn choose_weights(&mut self) -> Result<(), RunnerError> {
        match &self.best {
            Some((_, weights)) => Ok(self.loaded.params.set(weights)?),
            None => Ok(self.average.swap()?),
        }
    }
}
