//! Answers scored.

use std::time::Instant;

use taper_classifier::{Evaluation, Tta, evaluate_tta};
use taper_dataset::Part;
use taper_dataset::augment::Policy;
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
    shared(plan, part, what, listeners, |share, done| {
        let batch_size = plan.recipe.train.eval_batch_size;
        Ok(evaluate_tta(net, share, batch_size, &plan.device, &Tta::default(), done)?)
    })
}

/// Has every process evaluate its share of a part, and gives all of them all answers, which do not depend on who
/// gave them.
pub(crate) fn shared(
    plan: &Plan,
    part: &Part,
    what: &'static str,
    listeners: &mut [Box<dyn Listener>],
    evaluate: impl FnOnce(&Part, &mut dyn FnMut(usize)) -> Result<Evaluation, RunnerError>,
) -> Result<Evaluation, RunnerError> {
    let processes = &plan.processes;
    let mut done = |images: usize| {
        let (images, of) = (images * processes.size(), part.len());
        tell_working(listeners, what, images.min(of), of);
    };
    if processes.size() == 1 {
        return evaluate(part, &mut done);
    }
    let started = Instant::now();
    let own = evaluate(&share(plan, part), &mut done)?;
    let own: Vec<u8> = own.logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let all = processes.gather(&own).concat();
    let (logits, _) = all.as_chunks::<4>();
    let logits = logits.iter().map(|&logit| f32::from_le_bytes(logit)).collect();
    let (names, seconds) = (part.class_names().to_vec(), started.elapsed().as_secs_f64());
    Ok(Evaluation::of_logits(names, part.labels(), logits, seconds)?)
}

/// The images of a part that this process evaluates.
pub(crate) fn share(plan: &Plan, part: &Part) -> Part {
    let indices = part.indices()[plan.processes.share(part.len())].to_vec();
    let (source, preprocessing) = (part.shared_source().clone(), part.preprocessing().clone());
    Part::new(source, indices, preprocessing, Policy::default())
}
