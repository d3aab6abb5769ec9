//! Answers scored.

use taper_classifier::Evaluation;
use taper_metrics::{
    Calibration, ClassificationReport, ConfusionMatrix, ZeroDivision, calibration,
};
use taper_run_folder::{ExtendedScores, Scores};

use crate::error::RunnerError;

/// Bins of the reliability diagram.
const BINS: usize = 15;

/// The scores of an evaluation.
///
/// # Errors
/// No images, a label outside the classes, logits that are not finite.
pub fn scores(evaluation: &Evaluation) -> Result<Scores, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    Ok(Scores::of(labels, probabilities, evaluation.num_classes())?)
}

/// Ranking and agreement, beyond what a run is judged by.
///
/// # Errors
/// As [`scores`].
pub fn extended_scores(evaluation: &Evaluation) -> Result<ExtendedScores, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    Ok(ExtendedScores::of(labels, probabilities, evaluation.num_classes())?)
}

/// True classes against predicted ones.
///
/// # Errors
/// A label is outside the classes.
pub(crate) fn confusion(evaluation: &Evaluation) -> Result<ConfusionMatrix, RunnerError> {
    let mut confusion = ConfusionMatrix::new(evaluation.num_classes())?;
    confusion.add_batch(&evaluation.labels, &evaluation.predictions())?;
    Ok(confusion)
}

/// Precision, recall, F1 and support of each class.
///
/// # Errors
/// As [`confusion`].
pub fn classification_report(evaluation: &Evaluation) -> Result<ClassificationReport, RunnerError> {
    Ok(confusion(evaluation)?.report(&evaluation.class_names, ZeroDivision::Zero)?)
}

/// The reliability diagram.
pub(crate) fn reliability(evaluation: &Evaluation) -> Result<Calibration, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    Ok(calibration(labels, probabilities, evaluation.num_classes(), BINS)?)
}
