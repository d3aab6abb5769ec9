//! Curves over all thresholds of a binary score: ROC, precision-recall, and one point of them.

use crate::check;
use crate::error::{MetricsError, Result};
use serde::{Deserialize, Serialize};

/// The samples that share one score.
pub(crate) struct Group {
    pub(crate) score: f64,
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

/// Groups samples by score, highest first. What is computed from groups does not depend on the
/// order of the samples, not even by rounding.
pub(crate) fn groups<T: Copy + Into<f64>>(positive: &[bool], scores: &[T]) -> Result<Vec<Group>> {
    check::flagged_scores("positive flags", positive, scores)?;
    // Adding 0.0 turns -0.0 into 0.0: total order and equality then agree on finite numbers.
    let mut samples: Vec<(f64, bool)> =
        scores.iter().map(|&score| score.into() + 0.0).zip(positive.iter().copied()).collect();
    samples.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    Ok(samples
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let positives = group.iter().filter(|sample| sample.1).count() as u64;
            Group { score: group[0].0, positives, negatives: group.len() as u64 - positives }
        })
        .collect())
}

/// The numbers of positive and of negative samples.
pub(crate) fn totals(groups: &[Group]) -> (u64, u64) {
    groups.iter().fold((0, 0), |(p, n), group| (p + group.positives, n + group.negatives))
}

/// One point of a ROC curve: what happens if a sample is taken for positive where
/// `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The threshold; none for the curve's first point, where nothing is taken for positive.
    pub threshold: Option<f64>,
    /// The share of the negatives that is taken for positive.
    pub false_positive_rate: f64,
    /// The share of the positives that is taken for positive: the recall.
    pub true_positive_rate: f64,
}

/// The ROC curve: a point at (0, 0), then one for each distinct score, highest first, to (1, 1).
///
/// As scikit-learn's `roc_curve(…, drop_intermediate=False)`, whose first threshold is infinite.
///
/// # Shapes
/// One flag and one score a sample; a higher score means more likely positive. For one class of
/// many see [`one_vs_rest`](crate::one_vs_rest).
///
/// # Errors
/// Lengths that differ, a score that is not finite, no positive or no negative sample.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let curve = taper_metrics::roc_curve(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8])?;
/// let rates: Vec<_> = curve.iter().map(|p| (p.false_positive_rate, p.true_positive_rate)).collect();
/// assert_eq!(rates, [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
/// # Ok(())
/// # }
/// ```
pub fn roc_curve<T: Copy + Into<f64>>(positive: &[bool], scores: &[T]) -> Result<Vec<RocPoint>> {
    let groups = groups(positive, scores)?;
    let (positives, negatives) = totals(&groups);
    require(positives, negatives)?;
    let mut curve =
        vec![RocPoint { threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut hits, mut alarms) = (0, 0);
    for group in &groups {
        hits += group.positives;
        alarms += group.negatives;
        curve.push(RocPoint {
            threshold: Some(group.score),
            false_positive_rate: alarms as f64 / negatives as f64,
            true_positive_rate: hits as f64 / positives as f64,
        });
    }
    Ok(curve)
}

pub(crate) fn require(positives: u64, negatives: u64) -> Result<()> {
    match (positives, negatives) {
        (0, _) => Err(MetricsError::NoPositive),
        (_, 0) => Err(MetricsError::NoNegative),
        _ => Ok(()),
    }
}

/// One point of a precision-recall curve: what happens if a sample is taken for positive where
/// `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// The threshold; none for the curve's last point, where nothing is taken for positive.
    pub threshold: Option<f64>,
    /// Of what is taken for positive, the share that is.
    pub precision: f64,
    /// Of what is positive, the share that is taken for it.
    pub recall: f64,
}

/// The precision-recall curve: a point for each distinct score, lowest first, so that recall
/// falls from 1; then the conventional end (precision 1, recall 0).
///
/// As scikit-learn's `precision_recall_curve`, which however takes a recall of 1 where there is no
/// positive sample.
///
/// # Shapes
/// As [`roc_curve`].
///
/// # Errors
/// Lengths that differ, a score that is not finite, no positive sample.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let flags = [false, false, true, true];
/// let curve = taper_metrics::precision_recall_curve(&flags, &[0.1, 0.4, 0.35, 0.8])?;
/// assert_eq!((curve[0].threshold, curve[0].precision, curve[0].recall), (Some(0.1), 0.5, 1.0));
/// assert_eq!((curve[3].threshold, curve[3].precision, curve[3].recall), (Some(0.8), 1.0, 0.5));
/// assert_eq!(curve[4].threshold, None);
/// # Ok(())
/// # }
/// ```
pub fn precision_recall_curve<T: Copy + Into<f64>>(
    positive: &[bool],
    scores: &[T],
) -> Result<Vec<PrecisionRecallPoint>> {
    let points = operating_points(positive, scores)?;
    let point = |p: &OperatingPoint| PrecisionRecallPoint {
        threshold: Some(p.threshold),
        precision: p.precision,
        recall: p.recall,
    };
    let end = PrecisionRecallPoint { threshold: None, precision: 1.0, recall: 0.0 };
    Ok(points.iter().rev().map(point).chain([end]).collect())
}

/// A threshold and what it gives: a sample is taken for positive where `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The threshold, one of the scores.
    pub threshold: f64,
    /// Of what is taken for positive, the share that is.
    pub precision: f64,
    /// Of what is positive, the share that is taken for it.
    pub recall: f64,
}

/// The threshold whose precision is at least `wanted` and whose recall is the highest among those;
/// of equal recalls the highest threshold, which has the highest precision.
///
/// With "the predicted class is right" as the flag and the probability of the predicted class as
/// the score, it answers "above which confidence may a machine decide alone": the precision is then
/// the share of right answers among those given, and the recall the share of the right answers
/// that is given.
///
/// The figures hold for the samples at hand. Choose the threshold on validation data.
///
/// # Shapes
/// As [`roc_curve`].
///
/// # Errors
/// As [`precision_recall_curve`]; `wanted` outside 0 to 1; no threshold reaches it (the error says
/// what the best one has).
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let right = [true, true, false, true, false];
/// let confidence = [0.99, 0.95, 0.90, 0.85, 0.40];
/// let point = taper_metrics::threshold_for_precision(&right, &confidence, 0.75)?;
/// assert_eq!((point.threshold, point.precision, point.recall), (0.85, 0.75, 1.0));
/// # Ok(())
/// # }
/// ```
pub fn threshold_for_precision<T: Copy + Into<f64>>(
    positive: &[bool],
    scores: &[T],
    wanted: f64,
) -> Result<OperatingPoint> {
    check_wanted(wanted)?;
    let points = operating_points(positive, scores)?;
    let able = points.iter().copied().filter(|point| point.precision >= wanted);
    // Points come by falling threshold and rising recall: only more recall replaces the best.
    able.reduce(|best, point| if point.recall > best.recall { point } else { best }).ok_or_else(
        || {
            let best = points.iter().map(|point| point.precision).fold(0.0, f64::max);
            MetricsError::Unreachable { wanted, best }
        },
    )
}

/// The threshold whose recall is at least `wanted` and whose precision is the highest among those;
/// of equal precisions the lowest threshold, which has the highest recall.
///
/// There always is one: the lowest score has a recall of 1.
///
/// # Shapes
/// As [`roc_curve`].
///
/// # Errors
/// As [`precision_recall_curve`]; `wanted` outside 0 to 1.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let positive = [true, true, false, true, false];
/// let scores = [0.99, 0.95, 0.90, 0.85, 0.40];
/// let point = taper_metrics::threshold_for_recall(&positive, &scores, 0.6)?;
/// assert_eq!((point.threshold, point.precision, point.recall), (0.95, 1.0, 2.0 / 3.0));
/// # Ok(())
/// # }
/// ```
pub fn threshold_for_recall<T: Copy + Into<f64>>(
    positive: &[bool],
    scores: &[T],
    wanted: f64,
) -> Result<OperatingPoint> {
    check_wanted(wanted)?;
    let points = operating_points(positive, scores)?;
    let able = points.iter().copied().filter(|point| point.recall >= wanted);
    let best =
        able.reduce(|best, point| if point.precision >= best.precision { point } else { best });
    // `operating_points` has at least one positive, so its last point has a recall of 1.
    best.ok_or(MetricsError::NoPositive)
}

fn check_wanted(wanted: f64) -> Result<()> {
    if (0.0..=1.0).contains(&wanted) {
        Ok(())
    } else {
        let expected = "a share from 0 to 1";
        Err(MetricsError::Parameter { name: "wanted", found: wanted, expected })
    }
}

/// Every threshold, highest first.
fn operating_points<T: Copy + Into<f64>>(
    positive: &[bool],
    scores: &[T],
) -> Result<Vec<OperatingPoint>> {
    let groups = groups(positive, scores)?;
    let (positives, _) = totals(&groups);
    if positives == 0 {
        return Err(MetricsError::NoPositive);
    }
    let (mut hits, mut taken) = (0, 0);
    Ok(groups
        .iter()
        .map(|group| {
            hits += group.positives;
            taken += group.positives + group.negatives;
            OperatingPoint {
                threshold: group.score,
                precision: hits as f64 / taken as f64,
                recall: hits as f64 / positives as f64,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_zero_and_zero_are_one_threshold() {
        let curve = roc_curve(&[true, false], &[-0.0, 0.0]).unwrap();
        assert_eq!(curve.len(), 2);
    }

    #[test]
    fn a_curve_of_one_side_only_is_an_error() {
        assert_eq!(roc_curve(&[true, true], &[0.1, 0.2]), Err(MetricsError::NoNegative));
        assert_eq!(roc_curve(&[false], &[0.1]), Err(MetricsError::NoPositive));
        assert_eq!(precision_recall_curve(&[false], &[0.1]), Err(MetricsError::NoPositive));
        assert_eq!(precision_recall_curve(&[true], &[0.1]).unwrap().len(), 2);
    }

    #[test]
    fn nothing_and_lengths_that_differ_are_errors() {
        assert_eq!(roc_curve::<f64>(&[], &[]), Err(MetricsError::Empty));
        let error = roc_curve(&[true], &[0.1, 0.2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 positive flags but 2 scores: one of each is needed for every sample"
        );
    }

    #[test]
    fn a_precision_out_of_reach_is_an_error_that_names_the_best() {
        let error = threshold_for_precision(&[false, true], &[0.9, 0.1], 0.75).unwrap_err();
        assert_eq!(error.to_string(), "no threshold reaches a precision of 0.75: the best is 0.5");
    }

    #[test]
    fn of_equal_recalls_the_highest_threshold_is_taken() {
        let point = threshold_for_precision(&[true, false, false], &[0.9, 0.8, 0.7], 0.3).unwrap();
        assert_eq!((point.threshold, point.precision), (0.9, 1.0));
    }

    #[test]
    fn of_equal_precisions_the_lowest_threshold_is_taken() {
        let point = threshold_for_recall(&[true, true, false], &[0.9, 0.8, 0.7], 0.1).unwrap();
        assert_eq!((point.threshold, point.recall), (0.8, 1.0));
    }

    #[test]
    fn a_wanted_share_above_one_is_an_error() {
        let error = threshold_for_recall(&[true], &[0.5], 90.0).unwrap_err();
        assert_eq!(error.to_string(), "wanted is 90: expected a share from 0 to 1");
        assert!(threshold_for_precision(&[true], &[0.5], f64::NAN).is_err());
    }
}
