//! The scores that a run is judged by.

use serde::{Deserialize, Deserializer, Serialize};
use taper_metrics::{Average, ConfusionMatrix, MetricsError, ZeroDivision, argmax, log_loss};

/// The numbers that people ask for first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Images scored.
    pub n: usize,
    /// Mean negative log-likelihood of the true class, natural logarithm.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Share of images whose most probable class is the true one.
    pub accuracy: f64,
    /// Unweighted mean of the precision of the classes that have images or are predicted.
    pub macro_precision: f64,
    /// Unweighted mean of the recall of the same classes.
    pub macro_recall: f64,
    /// Unweighted mean of the F1 of the same classes.
    pub macro_f1: f64,
}

impl Scores {
    /// Scores softmax probabilities. A class that has images and is never predicted, or is predicted and
    /// has none, counts as 0 where that leaves 0/0; one that is neither counts nowhere.
    ///
    /// # Shapes
    /// `labels` is (n), `probabilities` (n, `num_classes`), row-major.
    ///
    /// # Errors
    /// No images, lengths that do not fit, a label outside the classes, rows that are no
    /// probabilities.
    ///
    /// ```
    /// let probabilities = [0.75f32, 0.25, /**/ 0.25, 0.75, /**/ 0.5, 0.5];
    /// let scores = taper_run_folder::Scores::of(&[0, 1, 1], &probabilities, 2)?;
    /// assert_eq!((scores.n, scores.accuracy), (3, 2.0 / 3.0));
    /// # Ok::<(), taper_metrics::MetricsError>(())
    /// ```
    pub fn of(
        labels: &[u32],
        probabilities: &[f32],
        num_classes: usize,
    ) -> Result<Self, MetricsError> {
        let mut confusion = ConfusionMatrix::new(num_classes)?;
        confusion.add_batch(labels, &argmax(probabilities, num_classes)?)?;
        Self::counted(&confusion, labels, probabilities)
    }

    pub(crate) fn counted(
        confusion: &ConfusionMatrix,
        labels: &[u32],
        probabilities: &[f32],
    ) -> Result<Self, MetricsError> {
        let averages = confusion.average_scores(Average::Macro, ZeroDivision::Zero);
        Ok(Self {
            n: labels.len(),
            loss: log_loss(labels, probabilities, confusion.num_classes())?,
            accuracy: confusion.accuracy()?,
            macro_precision: averages.precision,
            macro_recall: averages.recall,
            macro_f1: averages.f1,
        })
    }
}

/// One of the [`Scores`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// [`Scores::loss`]; less is better.
    Loss,
    /// [`Scores::accuracy`]; more is better, as of all that follow.
    Accuracy,
    /// [`Scores::macro_precision`].
    MacroPrecision,
    /// [`Scores::macro_recall`]: balanced accuracy, where every class that is predicted has images.
    MacroRecall,
    /// [`Scores::macro_f1`].
    MacroF1,
}

impl Metric {
    /// Its value among the scores.
    pub fn of(self, scores: &Scores) -> f64 {
        match self {
            Metric::Loss => scores.loss,
            Metric::Accuracy => scores.accuracy,
            Metric::MacroPrecision => scores.macro_precision,
            Metric::MacroRecall => scores.macro_recall,
            Metric::MacroF1 => scores.macro_f1,
        }
    }

    /// Whether `value` is better than `best` by more than `min_delta`; NaN never is.
    pub fn improves(self, value: f64, best: f64, min_delta: f64) -> bool {
        match self {
            Metric::Loss => value < best - min_delta,
            _ => value > best + min_delta,
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Metric::Loss => "loss",
            Metric::Accuracy => "accuracy",
            Metric::MacroPrecision => "macro_precision",
            Metric::MacroRecall => "macro_recall",
            Metric::MacroF1 => "macro_f1",
        })
    }
}

/// A number that JSON, which knows no NaN, may have written as null.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
