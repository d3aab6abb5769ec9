//! A run whose parts are a program's own values.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_classifier::Evaluation;
use taper_dataset::Dataset;
use taper_dataset::augment::Augmentation;
use taper_model::loss::Loss;
use taper_model::nets::NetInfo;
use taper_optimizer::{Rule, ScheduleKind};
use taper_run_folder::{Better, FolderLock};

use crate::error::RunnerError;
use crate::observe::Listener;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::recipe::{Named, Recipe};
use crate::registry::Registry;
use crate::run::{Existing, run};

/// A recipe, with parts that are a program's own values in place of those that it names.
///
/// Each is registered, and its settings stand in the recipe, so that the run leaves a folder like any other:
/// complete, with checkpoints, and able to go on. What the recipe says around a part holds as ever: rates, groups and
/// layer decay around a rule, the warm-up before a schedule.
///
/// ```no_run
/// use taper_optimizer::Sgd;
/// use taper_runner::{Existing, Recipe, Run};
///
/// let mut recipe = Recipe::default();
/// recipe.train.epochs = 3;
/// let outcome = Run::new(recipe)
///     .rule(Sgd { momentum: 0.9, ..Sgd::pytorch() })
///     .existing(Existing::Resume { force: false })
///     .to("runs/a")?;
/// println!("{:.2} %", 100.0 * outcome.results.after.accuracy);
/// # Ok::<(), taper_runner::RunnerError>(())
/// ```
///
/// `examples/own_parts.rs` has a net, a source, a loss and a listener of its own.
pub struct Run {
    /// What is carried out.
    pub recipe: Recipe,
    /// What the recipe may name.
    pub registry: Registry,
    existing: Existing,
    listeners: Vec<Box<dyn Listener>>,
}

impl Run {
    /// A run by a recipe.
    pub fn new(recipe: Recipe) -> Self {
        let (registry, existing) = (Registry::new(), Existing::default());
        Self { recipe, registry, existing, listeners: Vec::new() }
    }

    /// With this net.
    pub fn net(mut self, net: NetInfo) -> Self {
        self.recipe.model.net = net.name.to_string();
        self.registry.add_net(net);
        self
    }

    /// On this data, which goes by its own name.
    pub fn source(mut self, data: Dataset) -> Self {
        self.recipe.data.source.clone_from(&data.name);
        self.registry.add_dataset(&data.name.clone(), move |_| Ok(data.clone()));
        self
    }

    /// With this update rule.
    pub fn rule<R: Rule + Serialize + DeserializeOwned + 'static>(mut self, rule: R) -> Self {
        self.registry.add_rule::<R>(rule.name());
        self.recipe.optimizer = Named::new(rule.name(), &rule);
        self
    }

    /// With this course of the learning rate after the warm-up, under a name.
    pub fn schedule<S>(mut self, name: &str, schedule: S) -> Self
    where
        S: ScheduleKind + Serialize + DeserializeOwned + 'static,
    {
        self.registry.add_schedule::<S>(name);
        self.recipe.schedule.kind = Named::new(name, &schedule);
        self
    }

    /// With this loss, under a name.
    pub fn loss<L>(mut self, name: &str, loss: L) -> Self
    where
        L: Loss + Serialize + DeserializeOwned + 'static,
    {
        self.registry.add_loss::<L>(name);
        self.recipe.loss = Named::new(name, &loss);
        self
    }

    /// With this augmentation, behind the recipe's.
    pub fn augment<A>(mut self, augmentation: A) -> Self
    where
        A: Augmentation + Serialize + DeserializeOwned + 'static,
    {
        let name = augmentation.name().to_string();
        self.registry.add_augment::<A>(&name);
        let settings = Named::new(&name, &augmentation).settings;
        self.recipe.augment.own.insert(name, settings);
        self
    }

    /// With one more metric.
    pub fn metric(
        mut self,
        name: &str,
        better: Better,
        measure: impl Fn(&Evaluation) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.registry.add_metric(name, better, measure);
        self
    }

    /// Followed by this listener.
    pub fn listener(mut self, listener: impl Listener + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// What is done where the folder holds a run already; by default that is an error.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Carries it out in a folder.
    ///
    /// # Errors
    /// As [`Plan::new`] and [`run`].
    pub fn to(self, folder: impl AsRef<Path>) -> Result<Outcome, RunnerError> {
        let lock = FolderLock::take(folder.as_ref())?;
        // Before data and weights are read.
        self.existing.run_in(&lock)?;
        let plan = Plan::new(self.recipe, &self.registry)?;
        run(&plan, &lock, self.existing, self.listeners)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_shows_the_example_which_has_forty_lines_at_most() {
        let example = include_str!("../examples/own_parts.rs");
        assert!(include_str!("../README.md").contains(example));
        assert!(example.lines().count() <= 40, "{}", example.lines().count());
    }
}
