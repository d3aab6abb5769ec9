//! Answers scored.

use taper_classifier::{Evaluation, Tta, evaluate_tta};
use taper_dataset::Part;
use taper_model::nets::Net;
use taper_run_folder::{Judgement, Scores};

use crate::error::RunnerError;
use crate::observe::{Listener, tell_working};
use crate::plan::Plan;
use crate::registry::Metrics;

/// The scores of an evaluation, those of a program's own metrics among them.
///
/// # Errors
/// No images, a label outside the classes, logits that are not finite.
pub fn scores(evaluation: &Evaluation, metrics: &Metrics) -> Result<Scores, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    let mut scores = Scores::of(labels, probabilities, evaluation.num_classes())?;
    metrics.measure(evaluation, &mut scores);
    Ok(scores)
}

/// All that an evaluation is judged by.
///
/// # Errors
/// As [`scores`].
pub fn judgement(evaluation: &Evaluation, metrics: &Metrics) -> Result<Judgement, RunnerError> {
    let Evaluation { labels, probabilities, class_names, .. } = evaluation;
    let mut judgement = Judgement::of(labels, probabilities, class_names)?;
    metrics.measure(evaluation, &mut judgement.scores);
    Ok(judgement)
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
