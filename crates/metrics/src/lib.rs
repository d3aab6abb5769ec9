//! Classification metrics over plain slices: predictions and labels in, numbers out.
//!
//! Labels and predictions are class indices (`u32`); scores, logits and probabilities are row-major
//! matrices of `f32` or `f64`, one row a sample, one column a class (anything `Copy + Into<f64>`
//! will do). All arithmetic is in `f64`, in one thread and in the order of the samples, so that the
//! same input gives the same bits; a probability that was computed in `f32` keeps the precision of
//! `f32`.
//!
//! The definitions, and what happens with ties, are scikit-learn's, and the tests compare with it
//! to 1e-12. They differ on purpose in one point: an undefined metric, such as the area under the ROC
//! curve of a single class, is a [`MetricsError`], not a NaN with a warning. For the ratios of a confusion
//! matrix [`ZeroDivision`] chooses what 0/0 is.
//!
//! The number of classes is given, and a class may happen not to occur:
//!
//! | metric | a class that is no label | a class that is neither label nor prediction |
//! | --- | --- | --- |
//! | macro precision, recall, F-measure | counts, its recall being 0/0 | is left out |
//! | weighted averages | weighs nothing | weighs nothing |
//! | balanced accuracy | is left out | is left out |
//! | Cohen's kappa, Matthews | counts | changes nothing |
//! | macro ROC AUC, average precision | makes it undefined (an error that names the class) | likewise |
//!
//! What adds up over batches is a [`ConfusionMatrix`]; what needs the ranking of all scores takes
//! them all at once.
//!
//! # Example
//!
//! ```
//! use taper_metrics::{
//!     Average, ConfusionMatrix, KappaWeights, ZeroDivision, calibration, log_loss, one_vs_rest,
//!     roc_auc_one_vs_rest, threshold_for_precision, top_k_accuracy,
//! };
//!
//! # fn main() -> taper_metrics::Result<()> {
//! let labels = [0, 1, 2, 2, 1];
//! let probabilities: [f32; 15] = [
//!     0.75, 0.125, 0.125, //
//!     0.25, 0.625, 0.125, //
//!     0.125, 0.125, 0.75, //
//!     0.125, 0.5, 0.375, //
//!     0.0, 0.75, 0.25,
//! ];
//!
//! // Batches stream into a confusion matrix; matrices merge.
//! let mut matrix = ConfusionMatrix::new(3)?;
//! matrix.add_scores(&labels[..3], &probabilities[..9])?;
//! matrix.add_scores(&labels[3..], &probabilities[9..])?;
//! assert_eq!(matrix.accuracy()?, 0.8);
//! assert!(matrix.cohen_kappa(KappaWeights::Unweighted)? > 0.6);
//! let average = matrix.average_scores(Average::Macro, ZeroDivision::Zero);
//! assert!((average.f1 - (1.0 + 0.8 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
//! println!("{}", matrix.report(&["zero", "one", "two"], ZeroDivision::Zero)?);
//!
//! // Scores are judged whole.
//! assert_eq!(top_k_accuracy(&labels, &probabilities, 3, 2)?, 1.0);
//! assert!(log_loss(&labels, &probabilities, 3)? < 0.5);
//! assert_eq!(roc_auc_one_vs_rest(&labels, &probabilities, 3, Average::Macro)?, 1.0);
//! assert_eq!(calibration(&labels, &probabilities, 3, 10)?.bins.len(), 10);
//!
//! // From which probability on is "it is a one" right every time?
//! let (is_one, p_one) = one_vs_rest(&labels, &probabilities, 3, 1)?;
//! assert_eq!(threshold_for_precision(&is_one, &p_one, 1.0)?.threshold, 0.625);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! | file | what |
//! | --- | --- |
//! | `error` | [`MetricsError`] |
//! | `prediction` | [`argmax`], [`one_vs_rest`] |
//! | `confusion` | [`ConfusionMatrix`]: counting, merging, accuracy, balanced accuracy |
//! | `scores` | precision, recall, F1, F-beta: [`Scores`], [`Average`], [`ZeroDivision`] |
//! | `agreement` | Cohen's kappa, the Matthews coefficient |
//! | `report` | [`ClassificationReport`]: the table |
//! | `likelihood` | [`log_loss`], [`brier_score`] |
//! | `calibration` | [`calibration()`]: the reliability diagram and its errors |
//! | `ranking` | [`top_k_accuracy`], [`roc_auc`], [`average_precision`], one-vs-rest |
//! | `temperature` | [`fit_temperature`] |
//! | [`text`] | names in a terminal |
//! | `paired` | [`paired_t_test`], [`corrected_paired_t_test`], [`mcnemar()`] |
//! | `curve` | [`roc_curve`], [`precision_recall_curve`], [`threshold_for_precision`], [`threshold_for_recall`] |

mod agreement;
mod calibration;
mod check;
mod confusion;
mod curve;
mod error;
mod likelihood;
mod paired;
mod prediction;
mod ranking;
mod report;
mod scores;
mod temperature;
pub mod text;

pub use agreement::KappaWeights;
pub use calibration::{Calibration, CalibrationBin, calibration, calibration_of_confidences};
pub use confusion::ConfusionMatrix;
pub use curve::{
    OperatingPoint, PrecisionRecallPoint, RocPoint, precision_recall_curve, roc_curve,
    threshold_for_precision, threshold_for_recall,
};
pub use error::{MAX_CLASSES, MetricsError, Result};
pub use likelihood::{brier_score, log_loss};
pub use paired::{McNemar, PairedTTest, corrected_paired_t_test, mcnemar, paired_t_test};
pub use prediction::{argmax, one_vs_rest};
pub use ranking::{
    average_precision, average_precision_one_vs_rest, roc_auc, roc_auc_one_vs_rest, top_k_accuracy,
};
pub use report::{ClassReport, ClassificationReport};
pub use scores::{Average, Scores, ZeroDivision};
pub use temperature::fit_temperature;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
