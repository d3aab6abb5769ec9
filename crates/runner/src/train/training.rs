//! What the loop works with, and how far it is.

use taper_dataset::Pieces;
use taper_model::nets::Net;
use taper_model::params::ParamKind;
use taper_optimizer::{Average, Optimizer, StepRates};
use taper_run_folder::{Scores, TrainingSummary};

use crate::checkpoint::{Checkpoint, Checkpoints, EpochValue, Tensors};
use crate::error::RunnerError;
use crate::features::CachedFeatures;
use crate::load::Loaded;
use crate::method::{TrainableSet, groups};
use crate::observe::{Epoch, Event};
use crate::plan::Plan;
use crate::position::Position;
use crate::recipe::Recipe;

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
    pub(super) best: Option<(EpochValue, Tensors)>,
    /// The best epochs, best first.
    pub(super) epochs: Vec<EpochValue>,
    pub(super) checkpoints: Option<Checkpoints>,
    /// Whether checkpoints are saved, by this process or another.
    pub(super) is_saved: bool,
    /// Why the run is to be suspended once its last epoch is closed.
    pub(super) pending: Option<String>,
    /// What is trained now.
    pub(super) trainable: TrainableSet,
    /// The net with these parameters trained, unless it is the one that was loaded.
    pub(super) rebuilt: Option<Net>,
    pub(super) features: Option<CachedFeatures>,
    /// How batches are cut.
    pub(super) pieces: Pieces,
}

impl<'a> Training<'a> {
    /// The training that a plan asks for, before its first step, without checkpoints.
    ///
    /// # Errors
    /// Settings of the optimizer that do not fit the net.
    pub fn new(plan: &'a Plan, loaded: &'a Loaded) -> Result<Self, RunnerError> {
        let recipe = &plan.recipe;
        let changing = loaded.params.iter().filter(|(_, param)| param.kind != ParamKind::Frozen);
        let changing = changing.map(|(name, param)| (name.clone(), param.var.clone())).collect();
        let trainable = loaded.params.trainable();
        let names: Vec<String> = trainable.iter().map(|(name, _)| name.clone()).collect();
        let count = recipe.train.pieces;
        let own = plan.processes.pieces(count)?;
        let pieces = Pieces { count, own, joins_last: loaded.joins_last_batch };
        let groups = groups(&recipe.method, &plan.net, &names, &recipe.groups);
        Ok(Self {
            plan,
            loaded,
            optimizer: Optimizer::new(trainable, plan.rule.clone(), &groups)?,
            average: Average::new(changing, recipe.average)?,
            position: Position::start(),
            best: None,
            epochs: Vec::new(),
            checkpoints: None,
            is_saved: false,
            pending: None,
            trainable: recipe.method.largest_set(&plan.net),
            rebuilt: None,
            features: None,
            pieces,
        })
    }

    /// Saves checkpoints from now on.
    pub(crate) fn save_to(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self.saved_elsewhere(true)
    }

    /// Whether another process saves checkpoints.
    pub(crate) fn saved_elsewhere(mut self, is_saved: bool) -> Self {
        self.is_saved = is_saved;
        self
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), RunnerError> {
        self.optimizer.load_state(&checkpoint.optimizer)?;
        if !checkpoint.average.is_empty() {
            self.average.load_state(&checkpoint.average)?;
        }
        self.loaded.params.set(&checkpoint.params)?;
        self.position = checkpoint.header.position;
        self.best = checkpoint.header.best.map(|value| (value, checkpoint.best));
        self.epochs = checkpoint.header.epochs;
        Ok(())
    }

    pub(super) fn recipe(&self) -> &'a Recipe {
        &self.plan.recipe
    }

    /// Batches an epoch.
    pub(super) fn batches_per_epoch(&self) -> usize {
        self.pieces.batches(self.plan.data.train.len(), self.recipe().train.batch_size)
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
        let base = self.plan.rule.learning_rate() * self.position.rate_scale;
        self.plan.schedule.rates(base, self.position.step, self.total_steps())
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
    pub(super) fn trained(&self) -> TrainingSummary {
        let Position { step, images, seconds, skipped, .. } = self.position;
        let stopped = self.position.stopped.clone();
        TrainingSummary { steps: step, images, seconds, skipped, stopped }
    }
}
