//! Metrics of a program's own.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

use taper_classifier::Evaluation;
use taper_run_folder::{Better, Metric, OwnScore, Scores};

use crate::error::RecipeError;

/// A number from the answers on labelled images.
type Measure = Arc<dyn Fn(&Evaluation) -> f64 + Send + Sync>;

/// Metrics of a program's own, by name.
#[derive(Clone, Default)]
pub struct Metrics(BTreeMap<String, Own>);

#[derive(Clone)]
struct Own {
    better: Better,
    measure: Measure,
    /// The function's type, by which another one under the same name is told.
    of: TypeId,
}

impl Metrics {
    /// Adds one; `false` where another has the name, which stays.
    #[must_use]
    pub(crate) fn add<F: Fn(&Evaluation) -> f64 + Send + Sync + 'static>(
        &mut self,
        name: &str,
        better: Better,
        measure: F,
    ) -> bool {
        let of = TypeId::of::<F>();
        if self.0.get(name).is_some_and(|known| (known.of, known.better) != (of, better)) {
            return false;
        }
        self.0.insert(name.to_string(), Own { better, measure: Arc::new(measure), of });
        true
    }

    /// Adds their values to the scores of an evaluation.
    pub(crate) fn measure(&self, evaluation: &Evaluation, scores: &mut Scores) {
        for (name, Own { better, measure, .. }) in &self.0 {
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
