//! What the listeners want is done, and the state is saved.

use taper_optimizer::AverageConfig;

use super::training::Training;
use crate::checkpoint::{Checkpoint, Header, Tensors};
use crate::error::RunnerError;
use crate::observe::{self, Listener, Verdicts};

impl Training<'_> {
    /// Does what the listeners want where nothing is to be saved: before a step.
    pub(crate) fn apply(&mut self, verdicts: Verdicts) -> Result<(), RunnerError> {
        self.adopt(&verdicts);
        self.suspend(verdicts)
    }

    /// Does what the listeners want after a step, and saves where it is time.
    pub(super) fn apply_after_step(
        &mut self,
        verdicts: Verdicts,
        listeners: &[Box<dyn Listener>],
    ) -> Result<(), RunnerError> {
        self.adopt(&verdicts);
        if self.position.stopped.is_some() {
            // The epoch is closed first: validated, then saved.
            self.pending = verdicts.suspend;
            return Ok(());
        }
        let last_of_epoch = self.position.batch >= self.batches_per_epoch();
        let due = self.checkpoints.as_ref().is_some_and(|all| all.is_due(&self.position));
        if verdicts.suspend.is_some() || (due && !last_of_epoch) {
            self.save(listeners)?;
        }
        self.suspend(verdicts)
    }

    /// Does what the listeners want after an epoch, and saves.
    pub(super) fn apply_after_epoch(
        &mut self,
        mut verdicts: Verdicts,
        listeners: &[Box<dyn Listener>],
    ) -> Result<(), RunnerError> {
        self.adopt(&verdicts);
        self.save(listeners)?;
        verdicts.suspend = self.pending.take().or(verdicts.suspend);
        match self.goes_on() || self.is_saved {
            true => self.suspend(verdicts),
            // Everything is trained, and would be lost.
            false => Ok(()),
        }
    }

    /// Scales the rate, and notes that the run is to stop.
    fn adopt(&mut self, verdicts: &Verdicts) {
        if let Some(factor) = verdicts.rate_scale {
            self.position.rate_scale *= factor;
        }
        if self.position.stopped.is_none() {
            self.position.stopped = verdicts.stop.clone();
        }
    }

    fn suspend(&self, verdicts: Verdicts) -> Result<(), RunnerError> {
        verdicts.suspended(self.position.step, self.last_checkpoint())
    }

    fn save(&mut self, listeners: &[Box<dyn Listener>]) -> Result<(), RunnerError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let listeners = observe::states(listeners)?;
        let params = self.loaded.params.to_tensors()?;
        self.check_weights(&params)?;
        let checkpoint = Checkpoint {
            header: Header {
                position: self.position.clone(),
                listeners,
                epochs: self.epochs.clone(),
                best: self.best.as_ref().map(|(value, _)| *value),
                ..checkpoints.header.clone()
            },
            params,
            optimizer: self.optimizer.state()?,
            average: match self.recipe().average {
                AverageConfig::None {} => Tensors::new(),
                _ => self.average.state()?,
            },
            best: self.best.as_ref().map(|(_, weights)| weights.clone()).unwrap_or_default(),
        };
        match &mut self.checkpoints {
            Some(checkpoints) => checkpoints.save(&checkpoint),
            None => Ok(()),
        }
    }
}
