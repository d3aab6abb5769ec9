//! What the runner knows by name; a caller adds its own.

mod built_in;
mod catalog;
mod metrics;

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_classifier::Evaluation;
use taper_dataset::augment::{Augmentation, KEYS, LAST_LANE, PRESETS, Policy};
use taper_dataset::source::NAMED;
use taper_dataset::{Cached, Columns, Dataset, Preprocessing};
use taper_model::loss::Loss;
use taper_model::nets::NetInfo;
use taper_optimizer::{BoxedRule, Rule, Schedule, ScheduleKind};
use taper_pretrained::Models;
use taper_run_folder::{Better, Metric};

use crate::error::{DataError, RecipeError, RunnerError, setting};
use crate::hub;
use crate::processes::Processes;
use crate::recipe::{AugmentRecipe, Named, Recipe};
use catalog::Catalog;
pub use metrics::Metrics;

/// Opens a data set by what stands behind its name and a colon.
type OpenDataset = Arc<dyn Fn(&str) -> Result<Dataset, RunnerError> + Send + Sync>;

/// What is known by name: nets, weights, data sets, update rules, schedules, losses, augmentations, metrics and
/// recipes. Those that come with Taper are there from the beginning; what a program adds is known as they are,
/// in recipes, by flags, in a search, when a run goes on. A rule, schedule, loss, augmentation or metric cannot have the
/// name of another: no plan is made then.
///
/// The settings of a rule, schedule, loss or augmentation are the fields of its type, by serde; with
/// `#[serde(default)]` none has to be given, and each has to be written, so that the recipe that a run leaves is
/// complete.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use taper_optimizer::{Chunk, Real, Rule, StepContext};
/// use taper_runner::{Better, Registry, resolve};
///
/// /// signSGD (Bernstein et al. 2018).
/// #[derive(Debug, Serialize, Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct SignSgd {
///     learning_rate: f64,
/// }
///
/// impl Default for SignSgd {
///     fn default() -> Self {
///         Self { learning_rate: 1e-3 }
///     }
/// }
///
/// impl Rule for SignSgd {
///     fn name(&self) -> &'static str { "sign-sgd" }
///     fn learning_rate(&self) -> f64 { self.learning_rate }
///     fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>) {
///         chunk.each(|p, g, []| *p = *p - T::of(step.learning_rate) * g.sign());
///     }
/// }
///
/// let mut registry = Registry::new();
/// registry.add_rule::<SignSgd>("sign-sgd");
/// registry.add_metric("errors", Better::Less, |evaluation| {
///     let wrong = evaluation.predictions().into_iter().zip(&evaluation.labels);
///     wrong.filter(|(found, label)| found != *label).count() as f64
/// });
/// let set = |key: &str, value: &str| (key.to_string(), value.to_string());
/// let mine = [set("optimizer", "sign-sgd"), set("select.metric", "errors")];
/// let recipe = resolve(None, &mine, &registry)?;
/// assert_eq!(recipe.optimizer.number("learning_rate"), Some(1e-3));
///
/// let error = resolve(None, &[set("optimizer", "sgn-sgd")], &registry).unwrap_err().to_string();
/// assert!(error.starts_with("unknown optimizer `sgn-sgd`, expected one of: "), "{error}");
/// # Ok::<(), taper_runner::RunnerError>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    /// The nets and weights.
    pub models: Models,
    /// Whether a bar on a terminal shows how far decoding is; default no.
    pub shows_decoding: bool,
    /// The processes that carry out a plan together; default this one alone.
    pub processes: Processes,
    datasets: BTreeMap<String, OpenDataset>,
    recipes: BTreeMap<String, String>,
    rules: Catalog<BoxedRule>,
    schedules: Catalog<Arc<dyn ScheduleKind>>,
    losses: Catalog<Arc<dyn Loss>>,
    augmentations: Catalog<Arc<dyn Augmentation>>,
    metrics: Metrics,
    /// Who follows every run.
    pub(crate) listeners: Followers,
    /// Names that were to be given twice, each with the kind of what it should name.
    taken: Vec<(&'static str, String)>,
    shared: Option<Arc<Mutex<Shared>>>,
}

/// What makes listeners, which see more than a registry.
pub(crate) type Followers = Vec<Arc<dyn Any + Send + Sync>>;

/// What the names of a recipe stand for.
pub(crate) struct Chosen {
    pub rule: BoxedRule,
    pub schedule: Schedule,
    pub metrics: Metrics,
    pub listeners: Followers,
}

/// What several runs in one process open and decode once.
#[derive(Default)]
struct Shared {
    datasets: BTreeMap<String, Dataset>,
    /// With the items that are kept of each.
    prepared: BTreeMap<String, (Vec<usize>, Cached)>,
}

impl Registry {
    /// One that knows the nets alone.
    fn empty() -> Self {
        Self {
            models: Models::new(),
            shows_decoding: false,
            processes: Processes::default(),
            datasets: BTreeMap::new(),
            recipes: BTreeMap::new(),
            rules: Catalog::new("optimizer"),
            schedules: Catalog::new("schedule"),
            losses: Catalog::new("loss"),
            augmentations: Catalog::new("augmentation"),
            metrics: Metrics::default(),
            listeners: Followers::new(),
            taken: Vec::new(),
            shared: None,
        }
    }

    /// The same registry for several runs: data is opened, decoded and placed once for all of them,
    /// as far as their recipes agree on how.
    pub fn sharing(&self) -> Self {
        let shared = self.shared.clone().unwrap_or_default();
        Self { shared: Some(shared), ..self.clone() }
    }

    /// Adds a net under its own name: `model.net`.
    pub fn add_net(&mut self, net: NetInfo) {
        self.models.add_net(net);
    }

    /// Adds a data set that `data.source = NAME` opens; of `NAME:ARGUMENTS` it is given what stands behind the
    /// colon, else an empty text.
    pub fn add_dataset(
        &mut self,
        name: &str,
        open: impl Fn(&str) -> Result<Dataset, RunnerError> + Send + Sync + 'static,
    ) {
        self.datasets.insert(name.to_string(), Arc::new(open));
    }

    /// Adds an update rule: `optimizer`. Its learning rate should be the setting `learning_rate`, which a flag sets.
    pub fn add_rule<R>(&mut self, name: &str)
    where
        R: Rule + Serialize + DeserializeOwned + 'static,
    {
        let added = self.rules.add(name, R::boxed);
        self.claim("optimizer", name, added);
    }

    /// Adds a course of the learning rate: `schedule`, or `schedule.kind` where a warm-up comes before it.
    pub fn add_schedule<S>(&mut self, name: &str)
    where
        S: ScheduleKind + Serialize + DeserializeOwned + 'static,
    {
        let added = self.schedules.add(name, |schedule: S| Arc::new(schedule));
        self.claim("schedule", name, added);
    }

    /// Adds a loss: `loss`.
    pub fn add_loss<L>(&mut self, name: &str)
    where
        L: Loss + Serialize + DeserializeOwned + 'static,
    {
        let added = self.losses.add(name, |loss: L| Arc::new(loss));
        self.claim("loss", name, added);
    }

    /// Adds an augmentation: `augment = NAME` alone, or a table `augment.NAME` beside others.
    pub fn add_augment<A>(&mut self, name: &str)
    where
        A: Augmentation + Serialize + DeserializeOwned + 'static,
    {
        let mut known =
            PRESETS.iter().map(|(known, _)| known).chain(KEYS.iter().map(|(known, _)| known));
        let added = !known.any(|known| *known == name)
            && self.augmentations.add(name, |augmentation: A| Arc::new(augmentation));
        self.claim("augmentation", name, added);
    }

    /// Adds a metric: it stands with the scores wherever they stand, and `select.metric`, `early_stopping.metric`,
    /// `plateau.metric` and a search may name it.
    pub fn add_metric(
        &mut self,
        name: &str,
        better: Better,
        measure: impl Fn(&Evaluation) -> f64 + Send + Sync + 'static,
    ) {
        let added =
            !Metric::known().any(|known| known == name) && self.metrics.add(name, better, measure);
        self.claim("metric", name, added);
    }

    /// Notes a name that something else has: which is meant could not be told, so no plan is made.
    fn claim(&mut self, what: &'static str, name: &str, added: bool) {
        if !added {
            self.taken.push((what, name.to_string()));
        }
    }

    /// Adds a recipe by its TOML text.
    pub fn add_recipe(&mut self, name: &str, toml: &str) {
        self.recipes.insert(name.to_string(), toml.to_string());
    }

    /// The TOML text of a recipe by name.
    pub fn recipe(&self, name: &str) -> Option<&str> {
        self.recipes.get(name).map(String::as_str)
    }

    /// The names of the recipes.
    pub fn recipe_names(&self) -> impl Iterator<Item = &str> {
        self.recipes.keys().map(String::as_str)
    }

    /// The metrics of the program's own.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes the settings of everything that the recipe names complete, and gives what the names stand for.
    ///
    /// # Errors
    /// A part of the program's own has the name of another; nothing has a name; settings that what has it does not take.
    pub(crate) fn choose(&self, recipe: &mut Recipe) -> Result<Chosen, RunnerError> {
        if let Some((what, name)) = self.taken.first() {
            return Err(RecipeError::Taken { what, name: name.clone() }.into());
        }
        self.policy(&mut recipe.augment)?;
        for (key, metric) in [
            ("select.metric", &recipe.select.metric),
            ("early_stopping.metric", &recipe.early_stopping.metric),
            ("plateau.metric", &recipe.plateau.metric),
        ] {
            self.metrics.check(key, metric)?;
        }
        let schedule = &mut recipe.schedule;
        let schedule = Schedule {
            kind: self.schedules.resolve("schedule.kind", &mut schedule.kind)?,
            warmup_steps: schedule.warmup_steps,
            warmup_ratio: schedule.warmup_ratio,
            warmup_start: schedule.warmup_start,
        };
        let rule = self.rules.resolve("optimizer", &mut recipe.optimizer)?;
        // Its settings alone: the plan builds it with the weights of the classes.
        self.loss(recipe, None)?;
        let (metrics, listeners) = (self.metrics.clone(), self.listeners.clone());
        Ok(Chosen { rule, schedule, metrics, listeners })
    }

    /// The loss that the recipe names, with its label smoothing and these class weights.
    ///
    /// # Errors
    /// Nothing has the name; settings that it does not take.
    pub(crate) fn loss(
        &self,
        recipe: &mut Recipe,
        class_weights: Option<Vec<f64>>,
    ) -> Result<Arc<dyn Loss>, RunnerError> {
        let loss = self.losses.resolve("loss", &mut recipe.loss)?;
        let smoothing = recipe.train.label_smoothing;
        if smoothing == 0.0 && class_weights.is_none() {
            return Ok(loss);
        }
        let (key, found) = match (smoothing > 0.0, recipe.train.class_weights.is_empty()) {
            (true, _) => ("train.label_smoothing", smoothing.to_string()),
            (_, false) => ("train.class_weights", "set".to_string()),
            _ => ("train.balance", "`loss`".to_string()),
        };
        loss.weighed(smoothing, class_weights).ok_or_else(|| {
            let name = &recipe.loss.name;
            setting(
                key,
                found,
                format!("what it is by default: the loss `{name}` has settings of its own"),
            )
        })
    }

    /// The augmentations that a recipe names; the settings of each are complete then.
    ///
    /// # Errors
    /// Nothing has the name; settings that it does not take.
    pub fn policy(&self, recipe: &mut AugmentRecipe) -> Result<Policy, RunnerError> {
        let mut policy = recipe.settings.policy()?;
        let mut lanes = BTreeMap::new();
        for (name, settings) in &mut recipe.own {
            let key = format!("augment.{name}");
            let mut named = Named { name: name.clone(), settings: settings.clone() };
            let found = self.augmentations.resolve(&key, &mut named).map_err(|mut error| {
                if let RecipeError::Unknown { known, .. } = &mut error {
                    known.splice(..0, PRESETS.iter().map(|(name, _)| name.to_string()));
                }
                error
            })?;
            let other = match found.lane() {
                ..=LAST_LANE => Some("one that comes with Taper".to_string()),
                lane => lanes.insert(lane, format!("`{name}`")),
            };
            if let Some(other) = other {
                let expected = "one that draws random numbers of its own: give it another `name()`, or another \
                                `lane()`";
                let found = format!("an augmentation that draws the random numbers of {other}");
                return Err(setting(key, found, expected));
            }
            *settings = named.settings;
            policy = policy.with(found);
        }
        Ok(policy)
    }

    /// Whether there is a metric of this name; `key` is where it is named.
    ///
    /// # Errors
    /// There is none.
    pub fn check_metric(&self, key: &str, metric: &Metric) -> Result<(), RunnerError> {
        Ok(self.metrics.check(key, metric)?)
    }

    /// Whether the progress of downloads is shown on stderr; it is not unless asked for.
    #[cfg(feature = "hub")]
    pub fn show_downloads(&mut self, show: bool) {
        self.models.on_download = show.then(crate::observe::download_bar);
    }

    /// Whether the progress of downloads is shown on stderr; this build has none.
    #[cfg(not(feature = "hub"))]
    pub fn show_downloads(&mut self, _: bool) {}

    /// Opens a data set: one that was added, an embedded one, one of the Hub
    /// (`hub:OWNER/NAME[/FOLDER][@REVISION]`), or a file or folder.
    ///
    /// # Errors
    /// Nothing has the name, or the data is not what it should be.
    fn open_dataset(&self, source: &str, columns: &Columns) -> Result<Dataset, RunnerError> {
        if let Some((open, arguments)) = self.opener(source) {
            return Ok(open(arguments)?.checked()?);
        }
        match source.strip_prefix("hub:") {
            Some(name) => hub::dataset(name, columns, &self.models),
            None => taper_dataset::open_with(source, columns).map_err(|error| match error {
                taper_dataset::Error::NotFound { .. } if !self.datasets.is_empty() => {
                    let own = self.datasets.keys().cloned().collect();
                    DataError::NotFound { error: Box::new(error), own }.into()
                }
                error => error.into(),
            }),
        }
    }

    /// What opens a data set of the program's own, and its arguments.
    fn opener<'a>(&self, source: &'a str) -> Option<(&OpenDataset, &'a str)> {
        let whole = self.datasets.get(source).map(|open| (open, ""));
        whole.or_else(|| {
            let (name, arguments) = source.split_once(':')?;
            self.datasets.get(name).map(|open| (open, arguments))
        })
    }

    /// The file or folder that data lies in, from the root of the file system; none of data by name.
    pub(crate) fn path_of(&self, source: &str) -> Option<PathBuf> {
        let is_name = self.opener(source).is_some()
            || source.starts_with("hub:")
            || ["digits", "mnist-sample"].contains(&source)
            || NAMED.iter().any(|named| named.name == source);
        (!is_name).then(|| std::fs::canonicalize(source).ok()).flatten()
    }

    /// A data set, opened once if it is shared.
    pub(crate) fn dataset(&self, source: &str, columns: &Columns) -> Result<Dataset, RunnerError> {
        let Some(shared) = &self.shared else { return self.open_dataset(source, columns) };
        let key = format!("{source} {columns:?}");
        if let Some(dataset) = locked(shared).datasets.get(&key) {
            return Ok(dataset.clone());
        }
        let dataset = self.open_dataset(source, columns)?;
        locked(shared).datasets.insert(key, dataset.clone());
        Ok(dataset)
    }

    /// Decoded and placed images of some items, kept if they are shared. Normalization comes later, and is
    /// each run's own.
    pub(crate) fn prepared(
        &self,
        what: &str,
        items: &[usize],
        preprocessing: &Preprocessing,
        prepare: impl FnOnce() -> taper_dataset::Result<Cached>,
    ) -> Result<Cached, RunnerError> {
        let Some(shared) = &self.shared else { return Ok(prepare()?) };
        let resized = Preprocessing { mean: Vec::new(), std: Vec::new(), ..preprocessing.clone() };
        let key = format!("{what}: {resized:?}");
        let kept = locked(shared).prepared.get(&key).cloned();
        let mut cached = match kept {
            Some((same, cached)) if same == items => cached,
            _ => {
                let cached = prepare()?;
                locked(shared).prepared.insert(key, (items.to_vec(), cached.clone()));
                cached
            }
        };
        cached.preprocessing.mean.clone_from(&preprocessing.mean);
        cached.preprocessing.std.clone_from(&preprocessing.std);
        Ok(cached)
    }
}

/// What is kept is put in whole: a panic elsewhere leaves nothing half done.
fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
