//! A search for settings: random, or by successive halving, judged on the validation part.

mod space;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_model::rng::RngKey;
use taper_run_folder::{
    Better, FolderLock, Metric, RunFolder, RunFolderError, Scores, write_json, write_whole,
};
use taper_runner::observe::Listener;
use taper_runner::{
    Existing, Plan, Recipe, Registry, RunnerError, TrainingError, setting, settings_of,
    table_of_text,
};
use taper_untrusted::checksums::SETTINGS;
use taper_untrusted::files::read_text;
use toml::Value;

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
/// what was left off goes on. A trial whose numbers explode has failed and does not end the search.
/// At the end `out/search.json` lists all, and `out/best.toml` is the recipe of the best.
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
        let mut round = Vec::new();
        for &number in &numbers {
            let settings = file.draw(number);
            let mut recipe = recipe(&settings)?;
            if file.search.method == SearchMethod::Halving {
                recipe.train.epochs = epochs;
            }
            let epochs = recipe.train.epochs;
            let plan = Plan::new(recipe, &registry)?;
            if plan.data.validation.is_none() {
                let expected = "above 0: a search is judged on the validation part";
                return Err(setting("data.validation_fraction", 0, expected).into());
            }
            let name = format!("{number:03}-{epochs}-epochs");
            let run = out.join("trials").join(&name);
            let follow = listeners(&name);
            let (validation, failure) = match validation_scores(&plan, &run, existing, follow) {
                Ok(scores) => (Some(scores), None),
                Err(TuneError::Run(
                    error @ RunnerError::Training(TrainingError::NotFinite { .. }),
                )) => (None, Some(error.to_string())),
                Err(error) => return Err(error),
            };
            round.push(Trial { number, epochs, settings, validation, failure, run });
        }
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

/// The scores of a run on its validation part: begun, gone on with, or finished before.
fn validation_scores(
    plan: &Plan,
    folder: &Path,
    existing: Existing,
    listeners: Vec<Box<dyn Listener>>,
) -> Result<Scores, TuneError> {
    let results = run_with_pages(plan, &FolderLock::take(folder)?, existing, listeners)?.results;
    results.validation.ok_or_else(|| {
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
