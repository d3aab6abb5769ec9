//! A metric: what mistakes cost.

use taper_cli::taper_runner::Evaluation;

/// The mean over the images of how far the answer is from the class, as numbers.
pub fn mean_cost(evaluation: &Evaluation) -> f64 {
    let answers = evaluation.predictions();
    let costs = answers.iter().zip(&evaluation.labels).map(|(a, b)| f64::from(a.abs_diff(*b)));
    costs.sum::<f64>() / answers.len() as f64
}
