//! A search for settings: random, or by successive halving, judged on the validation part.

mod space;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_model::rng::RngKey;
use taper_run_folder::{
    Better, FolderLock, Metric, Results, RunFolder, RunFolderError, Scores, write_json, write_whole,
};
use taper_runner::observe::Listener;
use taper_runner::{
    Existing, Plan, Recipe, Registry, RunnerError, TrainingError, setting, settings_of,
    table_of_text,
};
use taper_untrusted::checksums::SETTINGS;
use taper_untrusted::files::read_text;
use toml::Value;

use crate::claims::{Claim, each};
use crate::error::TuneError;
use crate::run::run_with_pages;

pub use space::Range;

/// What to search, as a TOML file says it.
///
/// ```toml
/// [search]
/// trials = 9
/// method = "halving"
///
/// [space]
/// "optimizer.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
/// "train.batch_size" = { choices = [32, 64, 128] }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchFile {
    /// How it is searched.
    #[serde(default)]
    pub search: SearchSettings,
    /// What each key of the recipe may be.
    pub space: BTreeMap<String, Range>,
}

/// Settings of the search itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSettings {
    /// Settings that are drawn. Default 10.
    pub trials: usize,
    /// `random`, or `halving`: all begin with few epochs, and the best go on to more. Default
    /// `random`.
    pub method: SearchMethod,
    /// What is best on the validation part. Default `accuracy`.
    pub metric: Metric,
    /// Seed of the drawing. Default 0.
    pub seed: u64,
    /// With `halving`: epochs of the first round. Default 1.
    pub min_epochs: usize,
    /// With `halving`: the best 1/factor of a round get `factor` times its epochs in the next, up to
    /// the recipe's `train.epochs`. Default 3.
    pub factor: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            trials: 10,
            method: SearchMethod::Random,
            metric: Metric::ACCURACY,
            seed: 0,
            min_epochs: 1,
            factor: 3,
        }
    }
}

/// How epochs are given to trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SearchMethod {
    /// Every trial gets all epochs.
    Random,
    /// Successive halving: K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and
    /// Hyperparameter Optimization" (2016). A trial of a later round begins anew, because its
    /// schedule is another.
    Halving,
}

/// One training of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Its number, from 0; the settings are a function of it and the seed.
    pub number: usize,
    /// The epochs that it was given.
    pub epochs: usize,
    /// What was drawn, by the recipe's keys.
    pub settings: BTreeMap<String, Value>,
    /// The scores on the validation part; none where it failed.
    pub validation: Option<Scores>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Its run's folder.
    pub run: PathBuf,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Searched {
    /// What was best.
    pub metric: Metric,
    /// All trainings: of the last round first, the best of a round first, failed ones last.
    pub trials: Vec<Trial>,
}

/// The most trials: what each came to is kept.
const MOST_TRIALS: usize = 100_000;

impl SearchFile {
    /// Reads a search file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, TuneError> {
        let text = read_text(path, SETTINGS).map_err(RunFolderError::io(path))?;
        let read = table_of_text(&text).and_then(settings_of::<Self>);
        let file = read.map_err(|fault| TuneError::SearchFile {
            path: path.to_path_buf(),
            reason: fault.to_string(),
        })?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), TuneError> {
        let SearchSettings { trials, min_epochs, factor, .. } = self.search;
        for (key, found, least) in [
            ("search.trials", trials, 1),
            ("search.min_epochs", min_epochs, 1),
            ("search.factor", factor, 2),
        ] {
            if found < least {
                return Err(setting(key, found, format!("{least} or more")).into());
            }
        }
        if trials > MOST_TRIALS {
            return Err(setting("search.trials", trials, format!("at most {MOST_TRIALS}")).into());
        }
        if self.space.is_empty() {
            return Err(
                setting("space", "empty", "a range for one key of the recipe, or more").into()
            );
        }
        self.space.iter().try_for_each(|(key, range)| range.check(key))
    }

    /// The settings of a trial.
    pub fn draw(&self, number: usize) -> BTreeMap<String, Value> {
        let key = RngKey::new(self.search.seed);
        key.set_step(number as u64);
        let draw = |(name, range): (&String, &Range)| {
            let bits = key.layer(name).next_seed();
            (name.clone(), range.at((bits >> 11) as f64 / (1u64 << 53) as f64))
        };
        self.space.iter().map(draw).collect()
    }

    /// Epochs and number of trials of each round.
    fn rounds(&self, epochs: usize) -> Vec<(usize, usize)> {
        let SearchSettings { trials, method, min_epochs, factor, .. } = self.search;
        if method == SearchMethod::Random {
            return vec![(epochs, trials)];
        }
        let (mut budget, mut left) = (min_epochs.min(epochs), trials);
        let mut rounds = vec![(budget, left)];
        while budget < epochs && left > 1 {
            budget = budget.saturating_mul(factor).min(epochs);
            left = (left / factor).max(1);
            rounds.push((budget, left));
        }
        rounds
    }
}

/// Searches: `recipe` makes a trial's recipe of what was drawn, `listeners` those who follow it, by
/// the run's name.
///
/// Each training is a run in `out/trials`; with [`Existing::Resume`], what is finished is not done again and
/// what was left off goes on. Processes, also of several machines, that search in the same folder share the trials:
/// each is done once, what one leaves off another goes on with, and all end with the same result. A trial whose numbers
/// explode has failed and does not end the search. At the end `out/search.json` lists all, and `out/best.toml` is
/// the recipe of the best.
///
/// # Errors
/// A key that the recipe does not know, a recipe without a validation part, whatever else a run
/// reports.
pub fn search(
    file: &SearchFile,
    recipe: impl Fn(&BTreeMap<String, Value>) -> Result<Recipe, RunnerError>,
    registry: &Registry,
    out: &Path,
    existing: Existing,
    mut listeners: impl FnMut(&str) -> Vec<Box<dyn Listener>>,
) -> Result<Searched, TuneError> {
    file.check()?;
    let registry = registry.sharing();
    let metric = file.search.metric.clone();
    registry.check_metric("search.metric", &metric)?;
    let epochs = recipe(&file.draw(0))?.train.epochs;
    let mut numbers: Vec<usize> = (0..file.search.trials).collect();
    let mut trials: Vec<Trial> = Vec::new();
    for (epochs, count) in file.rounds(epochs) {
        numbers.truncate(count);
        let drawn = numbers.iter().map(|&number| Drawn::new(file, &recipe, number, epochs, out));
        let drawn = drawn.collect::<Result<Vec<_>, _>>()?;
        let runs: Vec<PathBuf> = drawn.iter().map(|drawn| drawn.run.clone()).collect();
        let mut round = each(&runs, |place, claim| {
            let follow = listeners(&drawn[place].name);
            drawn[place].carry_out(&registry, existing, claim, follow)
        })?;
        rank(&mut round, &metric);
        numbers = round.iter().map(|trial| trial.number).collect();
        // The round before stands behind this one.
        round.append(&mut trials);
        trials = round;
    }
    let searched = Searched { metric, trials };
    searched.write(out)?;
    Ok(searched)
}

/// Does one trial of a random search in its folder; [`search`] finds it there.
///
/// # Errors
/// A number that the search does not have, a search by halving, whose rounds hang on each other; as [`search`].
pub fn search_trial(
    file: &SearchFile,
    number: usize,
    recipe: impl Fn(&BTreeMap<String, Value>) -> Result<Recipe, RunnerError>,
    registry: &Registry,
    out: &Path,
    mut listeners: impl FnMut(&str) -> Vec<Box<dyn Listener>>,
) -> Result<Trial, TuneError> {
    file.check()?;
    registry.check_metric("search.metric", &file.search.metric)?;
    if file.search.method == SearchMethod::Halving {
        let expected =
            "random where trials are done one by one: a later round hangs on the one before";
        return Err(setting("search.method", "halving", expected).into());
    }
    if number >= file.search.trials {
        let expected = format!("a number below `search.trials`, {}", file.search.trials);
        return Err(setting("trial", number, expected).into());
    }
    let drawn = Drawn::new(file, &recipe, number, 0, out)?;
    let trial = each(std::slice::from_ref(&drawn.run), |_, claim| {
        let existing = Existing::Resume { force: false };
        drawn.carry_out(registry, existing, claim, listeners(&drawn.name))
    })?;
    trial.into_iter().next().ok_or_else(|| setting("trial", number, "a trial").into())
}

/// A trial to be done.
struct Drawn {
    number: usize,
    settings: BTreeMap<String, Value>,
    recipe: Recipe,
    /// The run's.
    name: String,
    run: PathBuf,
}

/// A trial that failed, as it stands beside the run's folder.
#[derive(Serialize, Deserialize)]
struct Failed {
    failure: String,
    /// By which recipe.
    recipe: String,
}

impl Drawn {
    /// `epochs` are those of the round, where it is one of halving.
    fn new(
        file: &SearchFile,
        recipe: impl Fn(&BTreeMap<String, Value>) -> Result<Recipe, RunnerError>,
        number: usize,
        epochs: usize,
        out: &Path,
    ) -> Result<Self, TuneError> {
        let settings = file.draw(number);
        let mut recipe = recipe(&settings)?;
        if file.search.method == SearchMethod::Halving {
            recipe.train.epochs = epochs;
        }
        let name = format!("{number:03}-{}-epochs", recipe.train.epochs);
        let run = out.join("trials").join(&name);
        Ok(Self { number, settings, recipe, name, run })
    }

    /// Begins the run, goes on with it, or finds it finished or failed.
    fn carry_out(
        &self,
        registry: &Registry,
        existing: Existing,
        claim: &Claim,
        mut listeners: Vec<Box<dyn Listener>>,
    ) -> Result<Trial, TuneError> {
        let recipe = self.recipe.to_toml().map_err(RunnerError::from)?;
        let beside = self.run.with_file_name(format!("{}.failed", self.name));
        let (validation, failure) = match failure(&beside, &recipe) {
            Some(failure) => (None, Some(failure)),
            None => {
                let plan = Plan::new(self.recipe.clone(), registry)?;
                if plan.data.validation.is_none() {
                    let expected = "above 0: a search is judged on the validation part";
                    return Err(setting("data.validation_fraction", 0, expected).into());
                }
                listeners.push(claim.listener());
                match validation_scores(&plan, &self.run, existing, listeners) {
                    Ok(scores) => (Some(scores), None),
                    Err(TuneError::Run(
                        error @ RunnerError::Training(TrainingError::NotFinite { .. }),
                    )) => {
                        let failure = error.to_string();
                        let failed = Failed { failure: failure.clone(), recipe };
                        write_json(&beside, &failed)?;
                        (None, Some(failure))
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let Self { number, settings, recipe, run, .. } = self;
        let (settings, run, epochs) = (settings.clone(), run.clone(), recipe.train.epochs);
        Ok(Trial { number: *number, epochs, settings, validation, failure, run })
    }
}

/// Why a trial by a recipe failed, as another process, or this one before, has written it.
fn failure(path: &Path, recipe: &str) -> Option<String> {
    let text = read_text(path, 2 * SETTINGS).ok()?;
    let failed: Failed = serde_json::from_str(&text).ok()?;
    (failed.recipe == recipe).then_some(failed.failure)
}

/// Best first; what failed last, in its own order.
fn rank(trials: &mut [Trial], metric: &Metric) {
    let value = |trial: &Trial| {
        let score = trial.validation.as_ref().and_then(|scores| metric.read(scores));
        let score = score.filter(|score| !score.value.is_nan());
        // Less is better from here on.
        score.map_or(f64::INFINITY, |score| match score.better {
            Better::Less => score.value,
            Better::More => -score.value,
        })
    };
    trials.sort_by(|a, b| value(a).total_cmp(&value(b)));
}

/// The scores of a run on its validation part: begun, gone on with, or finished before. They are those that it wrote,
/// whose last bit may be another, so that a process that reads them ranks as the one that did the run.
fn validation_scores(
    plan: &Plan,
    folder: &Path,
    existing: Existing,
    listeners: Vec<Box<dyn Listener>>,
) -> Result<Scores, TuneError> {
    let lock = FolderLock::take(folder)?;
    run_with_pages(plan, &lock, existing, listeners)?;
    Results::read(&RunFolder::finished(folder)?)?.validation.ok_or_else(|| {
        let path = folder.join("metrics.json");
        RunFolderError::Invalid { path, reason: "no scores on a validation part".into() }.into()
    })
}

impl Searched {
    /// The best training: of those with the most epochs, the one with the best score.
    pub fn best(&self) -> Option<&Trial> {
        self.trials.first().filter(|trial| trial.validation.is_some())
    }

    fn write(&self, out: &Path) -> Result<(), TuneError> {
        write_json(&out.join("search.json"), self)?;
        if let Some(best) = self.best() {
            let recipe = RunFolder::begun(&best.run)?.recipe();
            let text = std::fs::read(&recipe).map_err(RunFolderError::io(&recipe))?;
            write_whole(&out.join("best.toml"), &text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<SearchFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.toml");
        std::fs::write(&path, text).unwrap();
        SearchFile::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_trial_is_a_function_of_seed_and_number() {
        let text = "[space]\nseed = { low = 0, high = 1000000 }\n\"train.clip_norm\" = { low = 0.1, high = 9.0 }";
        let one = file(text).unwrap();
        assert_eq!(one.draw(3), one.draw(3));
        assert_ne!(one.draw(3), one.draw(4));
        let other = file(&format!("[search]\nseed = 1\n{text}")).unwrap();
        assert_ne!(one.draw(3), other.draw(3));
        // Another key more leaves the others as they were.
        let more =
            file(&format!("{text}\n\"train.clip_value\" = {{ low = 0.1, high = 9.0 }}")).unwrap();
        assert_eq!(more.draw(3)["seed"], one.draw(3)["seed"]);
    }

    #[test]
    fn halving_gives_fewer_trials_more_epochs() {
        let text =
            "[search]\nmethod = \"halving\"\ntrials = 9\n[space]\nseed = { low = 0, high = 9 }";
        assert_eq!(file(text).unwrap().rounds(9), [(1, 9), (3, 3), (9, 1)]);
        assert_eq!(file(text).unwrap().rounds(5), [(1, 9), (3, 3), (5, 1)]);
        assert_eq!(file(text).unwrap().rounds(1), [(1, 9)]);
    }

    #[test]
    fn what_is_wrong_with_a_search_file_is_told_in_one_line() {
        for (text, expected) in [
            ("[space]", "`space` is empty"),
            ("[search]\ntrials = 0\n[space]\nseed = { low = 0, high = 9 }", "`search.trials` is 0"),
            ("[space]\nseed = { low = 9, high = 0 }", "expected low below high"),
            ("[space]\nseed = { low = 0.0, high = 1.0, log = true }", "above 0"),
            ("[space]\nseed = { choices = [] }", "one choice or more"),
            ("[space]\nseed = { lower = 0 }", "search.toml"),
            ("[search]\nmethod = \"grid\"\n[space]\nseed = { low = 0, high = 9 }", "`grid`"),
        ] {
            let error = file(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn the_best_stands_first_and_what_failed_last() {
        let trial = |number, accuracy: Option<f64>| Trial {
            number,
            epochs: 1,
            settings: BTreeMap::new(),
            validation: accuracy.map(|accuracy| Scores {
                n: 1,
                loss: 1.0 - accuracy,
                accuracy,
                macro_precision: 0.0,
                macro_recall: 0.0,
                macro_f1: 0.0,
                own: Default::default(),
            }),
            failure: None,
            run: PathBuf::new(),
        };
        for metric in [Metric::ACCURACY, Metric::LOSS] {
            let mut trials = [trial(0, Some(0.5)), trial(1, None), trial(2, Some(0.9))];
            rank(&mut trials, &metric);
            assert_eq!(trials.map(|trial| trial.number), [2, 0, 1]);
        }
    }
}
