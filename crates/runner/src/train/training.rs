//! What the loop works with, and what it does between its steps.

use taper_model::loss::CrossEntropy;
use taper_model::params::ParamKind;
use taper_optimizer::{Average, Optimizer, StepRates};
use taper_run_folder::{Scores, Trained};

use super::stage::{Kept, StagedNet};
use super::{Position, Saving};
use crate::checkpoint::{Checkpoint, EpochValue, Tensors};
use crate::error::RunnerError;
use crate::method::groups;
use crate::observe::{self, Epoch, Event, Listener, Told};
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::run::Loaded;

/// What a training run works with, and how far it is.
pub struct Training<'a> {
    /// Recipe and data.
    pub plan: &'a Plan,
    /// The net and its parameters.
    pub loaded: &'a Loaded,
    /// Updates the trainable parameters.
    pub optimizer: Optimizer,
    /// The average of parameters and buffers, if one is kept.
    pub average: Average,
    /// Where the loop is.
    pub position: Position,
    pub(super) loss: CrossEntropy,
    pub(super) best: Option<(EpochValue, Tensors)>,
    /// The best epochs, best first.
    pub(super) epochs: Vec<EpochValue>,
    pub(super) saving: Option<Saving>,
    pub(super) staged: StagedNet,
    pub(super) kept: Option<Kept>,
}

impl<'a> Training<'a> {
    /// The training that a plan asks for, before its first step, without checkpoints.
    ///
    /// # Errors
    /// Settings of the optimizer that do not fit the net.
    pub fn new(plan: &'a Plan, loaded: &'a Loaded) -> Result<Self, RunnerError> {
        let recipe = &plan.recipe;
        let rule = recipe.optimizer.build();
        let changing = loaded.params.iter().filter(|(_, param)| param.kind != ParamKind::Frozen);
        let changing = changing.map(|(name, param)| (name.clone(), param.var.clone())).collect();
        let trainable = loaded.params.trainable();
        let names: Vec<String> = trainable.iter().map(|(name, _)| name.clone()).collect();
        let groups = groups(&recipe.method, &plan.net, &names, &recipe.groups);
        Ok(Self {
            plan,
            loaded,
            optimizer: Optimizer::new(trainable, rule, &groups)?,
            average: Average::new(changing, recipe.average)?,
            position: Position::start(),
            loss: plan.loss(),
            best: None,
            epochs: Vec::new(),
            saving: None,
            staged: StagedNet::loaded(recipe.method.widest(&plan.net)),
            kept: None,
        })
    }

    /// Saves checkpoints from now on.
    pub(crate) fn save_to(mut self, saving: Saving) -> Self {
        self.saving = Some(saving);
        self
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), RunnerError> {
        self.optimizer.load_state(&checkpoint.optimizer)?;
        if !checkpoint.average.is_empty() {
            self.average.load_state(&checkpoint.average)?;
        }
        self.loaded.params.set(&checkpoint.params)?;
        self.position = checkpoint.about.position;
        self.best = checkpoint.about.best.map(|value| (value, checkpoint.best));
        self.epochs = checkpoint.about.epochs;
        Ok(())
    }

    pub(super) fn recipe(&self) -> &'a Recipe {
        &self.plan.recipe
    }

    /// Batches an epoch.
    pub(super) fn batches_per_epoch(&self) -> usize {
        self.plan.data.train.len().div_ceil(self.recipe().train.batch_size)
    }

    fn steps_per_epoch(&self) -> usize {
        self.batches_per_epoch().div_ceil(self.recipe().train.accumulate)
    }

    /// Updates of the whole run.
    pub(super) fn total_steps(&self) -> u64 {
        let train = &self.recipe().train;
        let all = (train.epochs * self.steps_per_epoch()) as u64;
        if train.max_steps > 0 { all.min(train.max_steps) } else { all }
    }

    pub(super) fn goes_on(&self) -> bool {
        self.position.stopped.is_none() && self.position.epoch < self.recipe().train.epochs
    }

    /// The rates of the next step.
    pub(super) fn rates(&self) -> StepRates {
        let recipe = self.recipe();
        let base = recipe.optimizer.rule().learning_rate() * self.position.rate_scale;
        recipe.schedule.rates(base, self.position.step, self.total_steps())
    }

    /// The first event.
    pub(super) fn opening(&self) -> Event {
        let epochs = self.recipe().train.epochs;
        let images = self.plan.data.train.len();
        let steps_per_epoch = self.steps_per_epoch();
        let Position { epoch, step, .. } = self.position;
        match step {
            0 => Event::Started { epochs, steps_per_epoch, images },
            _ => Event::Resumed { epochs, steps_per_epoch, images, epoch, step },
        }
    }

    /// The event at the end of an epoch; the position goes on to the next.
    pub(super) fn close_epoch(&mut self, validation: Option<Scores>) -> Event {
        let Position { epoch, step, sums, .. } = self.position;
        self.position.next_epoch();
        let seconds = sums.seconds.max(1e-9);
        Event::Epoch(Epoch {
            epoch,
            step,
            loss: sums.loss / sums.counted.max(1) as f64,
            learning_rate: sums.learning_rate,
            validation,
            seconds: sums.seconds,
            images_per_second: sums.images as f64 / seconds,
            data_wait: sums.waited / seconds,
        })
    }

    /// What came of it.
    pub(super) fn trained(&self) -> Trained {
        let Position { step, images, seconds, skipped, .. } = self.position;
        let stopped = self.position.stopped.clone();
        Trained { steps: step, images, seconds, skipped, stopped }
    }

    /// Does what the listeners want before the first step.
    pub(super) fn heed_opening(&mut self, told: Told) -> Result<(), RunnerError> {
        self.take_in(&told);
        self.leave_off(told)
    }

    /// Does what the listeners want after a step, and saves where it is time.
    pub(super) fn heed_step(
        &mut self,
        told: Told,
        listeners: &[Box<dyn Listener>],
    ) -> Result<(), RunnerError> {
        self.take_in(&told);
        if self.position.stopped.is_some() {
            // The epoch is closed first: validated, then saved.
            return Ok(());
        }
        let last_of_epoch = self.position.batch >= self.batches_per_epoch();
        let due = self.saving.as_ref().is_some_and(|saving| saving.is_due(&self.position));
        if told.suspend.is_some() || (due && !last_of_epoch) {
            self.save(listeners)?;
        }
        self.leave_off(told)
    }

    /// Does what the listeners want after an epoch, and saves.
    pub(super) fn heed_epoch(
        &mut self,
        told: Told,
        listeners: &[Box<dyn Listener>],
    ) -> Result<(), RunnerError> {
        self.take_in(&told);
        self.save(listeners)?;
        self.leave_off(told)
    }

    fn take_in(&mut self, told: &Told) {
        if let Some(factor) = told.rate_scale {
            self.position.rate_scale *= factor;
        }
        if self.position.stopped.is_none() {
            self.position.stopped = told.stop.clone();
        }
    }

    fn leave_off(&self, told: Told) -> Result<(), RunnerError> {
        let Some(reason) = told.suspend else { return Ok(()) };
        let checkpoint = self.last_checkpoint();
        Err(RunnerError::Suspended { reason, step: self.position.step, checkpoint })
    }

    fn save(&mut self, listeners: &[Box<dyn Listener>]) -> Result<(), RunnerError> {
        let Some(saving) = &self.saving else { return Ok(()) };
        let listeners = observe::states(listeners)?;
        let params = self.loaded.params.to_tensors()?;
        self.check_weights(&params)?;
        let checkpoint = Checkpoint {
            about: saving.about(&self.position, listeners, &self.epochs, &self.best),
            params,
            optimizer: self.optimizer.state()?,
            average: match self.recipe().average {
                taper_optimizer::AverageConfig::None {} => Tensors::new(),
                _ => self.average.state()?,
            },
            best: self.best.as_ref().map(|(_, weights)| weights.clone()).unwrap_or_default(),
        };
        match &mut self.saving {
            Some(saving) => saving.save(&checkpoint),
            None => Ok(()),
        }
    }
}
