//! The scores that a run is judged by.

use std::borrow::Cow;
use std::collections::BTreeMap;

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
    /// Scores of a program's own, by their metrics' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, OwnScore>,
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
            own: BTreeMap::new(),
        })
    }
}

/// One of the [`Scores`] by name: `loss`, `accuracy`, `macro_precision`, `macro_recall` (balanced accuracy, where
/// every class that is predicted has images), `macro_f1`, or one of a program's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metric(Cow<'static, str>);

/// Which of two values of a metric is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The lesser, as of a loss or a cost.
    Less,
    /// The greater, as of an accuracy.
    More,
}

impl Better {
    /// Whether `value` is better than `best` by more than `min_delta`; NaN never is.
    pub fn improves(self, value: f64, best: f64, min_delta: f64) -> bool {
        match self {
            Self::Less => value < best - min_delta,
            Self::More => value > best + min_delta,
        }
    }
}

/// A score of a program's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OwnScore {
    /// Its value; NaN where it is undefined.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// Which values are better.
    pub better: Better,
}

/// The scores that there always are: name, which values are better, and where it stands.
type Known = (&'static str, Better, fn(&Scores) -> f64);

const KNOWN: [Known; 5] = [
    ("loss", Better::Less, |scores| scores.loss),
    ("accuracy", Better::More, |scores| scores.accuracy),
    ("macro_precision", Better::More, |scores| scores.macro_precision),
    ("macro_recall", Better::More, |scores| scores.macro_recall),
    ("macro_f1", Better::More, |scores| scores.macro_f1),
];

impl Metric {
    /// The metric called so; scores may lack it.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// [`Scores::loss`].
    pub const LOSS: Self = Self(Cow::Borrowed("loss"));

    /// [`Scores::accuracy`].
    pub const ACCURACY: Self = Self(Cow::Borrowed("accuracy"));

    /// The names of those that all scores have.
    pub fn known() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, ..)| *name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Its value among the scores; NaN where they lack it.
    pub fn of(&self, scores: &Scores) -> f64 {
        self.read(scores).map_or(f64::NAN, |score| score.value)
    }

    /// Its value among the scores, and which values are better; none where they lack it.
    pub fn read(&self, scores: &Scores) -> Option<OwnScore> {
        let known = KNOWN.iter().find(|(name, ..)| *name == self.0);
        let known = known.map(|&(_, better, of)| OwnScore { value: of(scores), better });
        known.or_else(|| scores.own.get(&*self.0).copied())
    }

    /// Whether `value` of these scores is better than `best` by more than `min_delta`.
    pub fn improves(&self, scores: &Scores, best: f64, min_delta: f64) -> bool {
        let score = self.read(scores);
        score.is_some_and(|score| score.better.improves(score.value, best, min_delta))
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number that JSON, which knows no NaN, may have written as null.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
