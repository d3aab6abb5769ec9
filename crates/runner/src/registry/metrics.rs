//! Metrics of a program's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use taper_classifier::Evaluation;
use taper_run_folder::{Better, Metric, OwnScore, Scores};

use crate::error::RecipeError;

/// A number from the answers on labelled images.
type Measure = Arc<dyn Fn(&Evaluation) -> f64 + Send + Sync>;

/// Metrics of a program's own, by name.
#[derive(Clone, Default)]
pub struct Metrics(BTreeMap<String, (Better, Measure)>);

impl Metrics {
    pub(crate) fn add(
        &mut self,
        name: &str,
        better: Better,
        measure: impl Fn(&Evaluation) -> f64 + Send + Sync + 'static,
    ) {
        self.0.insert(name.to_string(), (better, Arc::new(measure)));
    }

    /// Adds their values to the scores of an evaluation.
    pub(crate) fn measure(&self, evaluation: &Evaluation, scores: &mut Scores) {
        for (name, (better, measure)) in &self.0 {
            let score = OwnScore { value: measure(evaluation), better: *better };
            scores.own.insert(name.clone(), score);
        }
    }

    /// Whether there is a metric of this name; `key` is where the recipe names it.
    pub(crate) fn check(&self, key: &str, metric: &Metric) -> Result<(), RecipeError> {
        let own = self.0.keys().map(String::as_str);
        let known: Vec<&str> = Metric::known().map(|name| -> &str { name }).chain(own).collect();
        if known.contains(&metric.name()) {
            return Ok(());
        }
        let known = format!("one of `{}`", known.join("`, `"));
        let (key, found) = (key.to_string(), format!("`{metric}`"));
        Err(RecipeError::Setting { key, found, expected: known })
    }
}
