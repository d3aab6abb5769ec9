//! Answers scored.

use taper_classifier::Evaluation;
use taper_run_folder::{Judgement, Scores};

use crate::error::RunnerError;

/// The scores of an evaluation.
///
/// # Errors
/// No images, a label outside the classes, logits that are not finite.
pub fn scores(evaluation: &Evaluation) -> Result<Scores, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    Ok(Scores::of(labels, probabilities, evaluation.num_classes())?)
}

/// All that an evaluation is judged by.
///
/// # Errors
/// As [`scores`].
pub fn judgement(evaluation: &Evaluation) -> Result<Judgement, RunnerError> {
    let Evaluation { labels, probabilities, class_names, .. } = evaluation;
    Ok(Judgement::of(labels, probabilities, class_names)?)
}
