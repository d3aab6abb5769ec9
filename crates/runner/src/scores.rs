//! Answers scored.

use taper_classifier::{Evaluation, Tta, evaluate_tta};
use taper_dataset::Part;
use taper_model::nets::Net;
use taper_run_folder::{Judgement, Scores};

use crate::error::RunnerError;
use crate::observe::{Listener, tell_working};
use crate::plan::Plan;

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

/// Evaluates a net of a plan on a part, and tells the listeners how far that is.
pub(crate) fn evaluate_told(
    plan: &Plan,
    net: &Net,
    part: &Part,
    what: &'static str,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Evaluation, RunnerError> {
    let (batch_size, of) = (plan.recipe.train.eval_batch_size, part.len());
    let done = |images| tell_working(listeners, what, images, of);
    Ok(evaluate_tta(net, part, batch_size, &plan.device, &Tta::default(), done)?)
}
