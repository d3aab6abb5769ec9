//! All that answers on labelled images are judged by.

use taper_metrics::{
    Calibration, ClassificationReport, ConfusionMatrix, MetricsError, ZeroDivision, argmax,
    calibration,
};

use crate::extended::ExtendedScores;
use crate::scores::Scores;

/// Bins of the reliability diagram.
const BINS: usize = 15;

/// All that answers on labelled images are judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The scores that a run is judged by.
    pub scores: Scores,
    /// Ranking and agreement.
    pub extended: ExtendedScores,
    /// Precision, recall, F1 and support of each class.
    pub report: ClassificationReport,
    /// True classes against predicted ones.
    pub confusion: ConfusionMatrix,
    /// The reliability diagram.
    pub calibration: Calibration,
}

impl Judgement {
    /// Judges softmax probabilities.
    ///
    /// # Shapes
    /// `labels` is (n), `probabilities` (n, classes), row-major.
    ///
    /// # Errors
    /// As [`Scores::of`].
    pub fn of(
        labels: &[u32],
        probabilities: &[f32],
        class_names: &[String],
    ) -> Result<Self, MetricsError> {
        let classes = class_names.len();
        let mut confusion = ConfusionMatrix::new(classes)?;
        confusion.add_batch(labels, &argmax(probabilities, classes)?)?;
        Ok(Self {
            scores: Scores::counted(&confusion, labels, probabilities)?,
            extended: ExtendedScores::counted(&confusion, labels, probabilities)?,
            report: confusion.report(class_names, ZeroDivision::Zero)?,
            calibration: calibration(labels, probabilities, classes, BINS)?,
            confusion,
        })
    }
}
