//! How well scores rank: top-k accuracy, the area under the ROC curve, average precision.

use crate::check;
use crate::curve::{groups, require, totals};
use crate::error::{MetricsError, Result};
use crate::scores::Average;

/// The share of samples whose label is among the `k` highest scores.
///
/// Ties as in scikit-learn: of equal scores the higher class ranks first. (Top-1 thus differs from
/// the accuracy of [`argmax`](crate::argmax), where the lower class wins, if the maximum is tied.)
/// It is 1 where `k` is at least the number of classes.
///
/// # Shapes
/// `labels` is (n), `scores` (n, `num_classes`), row-major: logits or probabilities.
///
/// # Errors
/// `k` is 0, no samples, lengths that do not fit, a label out of range, a score that is not finite.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let scores = [0.5f32, 0.3, 0.2, /**/ 0.1, 0.2, 0.7];
/// assert_eq!(taper_metrics::top_k_accuracy(&[1, 0], &scores, 3, 2)?, 0.5);
/// # Ok(())
/// # }
/// ```
pub fn top_k_accuracy<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
    k: usize,
) -> Result<f64> {
    check::labelled_scores(labels, scores, num_classes)?;
    if k == 0 {
        return Err(MetricsError::Parameter { name: "k", found: 0.0, expected: "at least 1" });
    }
    let hit = |(&label, row): (&u32, &[T])| {
        let label = label as usize;
        let own = row[label].into();
        let before = |(class, &score): (usize, &T)| {
            let score = score.into();
            score > own || (score == own && class > label)
        };
        row.iter().enumerate().filter(|&entry| before(entry)).count() < k
    };
    let rows = scores.chunks_exact(num_classes);
    let hits = labels.iter().zip(rows).filter(|&sample| hit(sample)).count();
    Ok(hits as f64 / labels.len() as f64)
}

/// The area under the ROC curve: the chance that a positive sample scores above a negative one,
/// ties counting half.
///
/// Computed from whole numbers (the Mann-Whitney statistic), so it is exact but for one division.
///
/// # Shapes
/// One flag and one score a sample; a higher score means more likely positive.
///
/// # Errors
/// Lengths that differ, a score that is not finite, no positive or no negative sample.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let auc = taper_metrics::roc_auc(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8])?;
/// assert_eq!(auc, 0.75);
/// # Ok(())
/// # }
/// ```
pub fn roc_auc<T: Copy + Into<f64>>(positive: &[bool], scores: &[T]) -> Result<f64> {
    let groups = groups(positive, scores)?;
    let (positives, negatives) = totals(&groups);
    require(positives, negatives)?;
    let mut below = negatives;
    let mut doubled: u128 = 0;
    for group in &groups {
        below -= group.negatives;
        doubled += u128::from(group.positives) * u128::from(2 * below + group.negatives);
    }
    Ok(doubled as f64 / (2 * u128::from(positives) * u128::from(negatives)) as f64)
}

/// Average precision, `Σ (R_i - R_{i-1}) P_i` over the distinct scores, highest first: the area
/// under the precision-recall curve as steps, without interpolation.
///
/// # Shapes
/// As [`roc_auc`].
///
/// # Errors
/// Lengths that differ, a score that is not finite, no positive sample (where scikit-learn warns
/// and gives 0).
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let flags = [false, false, true, true];
/// let precision = taper_metrics::average_precision(&flags, &[0.1, 0.4, 0.35, 0.8])?;
/// assert!((precision - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn average_precision<T: Copy + Into<f64>>(positive: &[bool], scores: &[T]) -> Result<f64> {
    let groups = groups(positive, scores)?;
    let (positives, _) = totals(&groups);
    if positives == 0 {
        return Err(MetricsError::NoPositive);
    }
    let (mut hits, mut taken, mut sum) = (0, 0, 0.0);
    for group in &groups {
        hits += group.positives;
        taken += group.positives + group.negatives;
        sum += group.positives as f64 * (hits as f64 / taken as f64);
    }
    Ok((sum / positives as f64).min(1.0))
}

/// One-vs-rest area under the ROC curve, as scikit-learn's
/// `roc_auc_score(…, multi_class="ovr")`.
///
/// [`Average::Macro`] is the mean over the classes; [`Average::Weighted`] weighs a class by its
/// samples and leaves out those without; [`Average::Micro`] takes each (sample, class) for one
/// binary decision.
///
/// # Shapes
/// `labels` is (n), `scores` (n, `num_classes`), row-major. Probabilities are usual: one column is
/// compared across samples, and for that a logit, which is free up to a constant a row, says less.
///
/// # Errors
/// Lengths that do not fit, a label out of range, a score that is not finite; a class that every
/// sample belongs to, or, with [`Average::Macro`], none (the error names it).
///
/// For one class see [`one_vs_rest`](crate::one_vs_rest) and [`roc_auc`].
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// use taper_metrics::{Average, roc_auc_one_vs_rest};
/// let probabilities = [0.8, 0.1, 0.1, /**/ 0.2, 0.5, 0.3, /**/ 0.3, 0.5, 0.2];
/// let auc = roc_auc_one_vs_rest(&[0, 1, 2], &probabilities, 3, Average::Macro)?;
/// assert_eq!(auc, (1.0 + 0.75 + 0.5) / 3.0);
/// # Ok(())
/// # }
/// ```
pub fn roc_auc_one_vs_rest<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
    average: Average,
) -> Result<f64> {
    if average == Average::Micro {
        return roc_auc(&one_hot(labels, scores, num_classes)?, scores);
    }
    averaged(per_class(roc_auc, labels, scores, num_classes, average)?, average)
}

/// One-vs-rest average precision; the averages are those of [`roc_auc_one_vs_rest`].
///
/// # Shapes and errors
/// As there, except that a class may have all samples (scikit-learn counts a class without samples
/// as 0 with [`Average::Macro`]).
pub fn average_precision_one_vs_rest<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
    average: Average,
) -> Result<f64> {
    if average == Average::Micro {
        return average_precision(&one_hot(labels, scores, num_classes)?, scores);
    }
    averaged(per_class(average_precision, labels, scores, num_classes, average)?, average)
}

/// A class's metric, or why it has none, and its number of samples.
type OfClass = (Result<f64>, usize);

/// A binary metric of each class against the rest. The outer error is one of the arguments.
fn per_class<T: Copy + Into<f64>>(
    metric: fn(&[bool], &[f64]) -> Result<f64>,
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
    average: Average,
) -> Result<Vec<OfClass>> {
    check::labelled_scores(labels, scores, num_classes)?;
    let of_class = |class: usize| {
        let positive: Vec<bool> = labels.iter().map(|&label| label as usize == class).collect();
        let column: Vec<f64> =
            scores.iter().skip(class).step_by(num_classes).map(|&score| score.into()).collect();
        let value = metric(&positive, &column)
            .map_err(|source| MetricsError::Class { class, source: Box::new(source) });
        (value, positive.iter().filter(|&&flag| flag).count())
    };
    if average == Average::Macro {
        // One class without a value is enough: of many classes the others need not be sorted.
        let mut support = vec![0; num_classes];
        labels.iter().for_each(|&label| support[label as usize] += 1);
        let is_one_sided = |class: &usize| [0, labels.len()].contains(&support[*class]);
        (0..num_classes).filter(is_one_sided).try_for_each(|class| of_class(class).0.map(drop))?;
    }
    Ok((0..num_classes).map(of_class).collect())
}

fn averaged(classes: Vec<OfClass>, average: Average) -> Result<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (value, support) in classes {
        let weight = if average == Average::Weighted { support as f64 } else { 1.0 };
        if weight > 0.0 {
            sum += weight * value?;
            weights += weight;
        }
    }
    Ok(sum / weights)
}

fn one_hot<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
) -> Result<Vec<bool>> {
    check::labelled_scores(labels, scores, num_classes)?;
    Ok(labels
        .iter()
        .flat_map(|&label| (0..num_classes).map(move |class| class == label as usize))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_tied_scores_the_higher_class_ranks_first() {
        assert_eq!(top_k_accuracy(&[2], &[1.0, 1.0, 1.0], 3, 1).unwrap(), 1.0);
        assert_eq!(top_k_accuracy(&[1], &[1.0, 1.0, 1.0], 3, 1).unwrap(), 0.0);
        assert_eq!(top_k_accuracy(&[1], &[1.0, 1.0, 1.0], 3, 2).unwrap(), 1.0);
    }

    #[test]
    fn top_zero_is_an_error_and_top_all_is_one() {
        let error = top_k_accuracy(&[0], &[0.1, 0.9], 2, 0).unwrap_err();
        assert_eq!(error.to_string(), "k is 0: expected at least 1");
        assert_eq!(top_k_accuracy(&[0], &[0.1, 0.9], 2, 5).unwrap(), 1.0);
    }

    #[test]
    fn the_area_is_undefined_for_one_class_only() {
        assert_eq!(roc_auc(&[true, true], &[0.2, 0.3]), Err(MetricsError::NoNegative));
        assert_eq!(roc_auc(&[false, false], &[0.2, 0.3]), Err(MetricsError::NoPositive));
        assert_eq!(average_precision(&[false], &[0.2]), Err(MetricsError::NoPositive));
    }

    #[test]
    fn constant_scores_have_an_area_of_one_half() {
        assert_eq!(roc_auc(&[true, false, false], &[0.3f32; 3]).unwrap(), 0.5);
    }

    #[test]
    fn a_class_without_samples_is_named_unless_it_weighs_nothing() {
        let (labels, scores) = ([0, 1], [0.6, 0.3, 0.1, 0.2, 0.6, 0.2]);
        let error = roc_auc_one_vs_rest(&labels, &scores, 3, Average::Macro).unwrap_err();
        assert_eq!(
            error.to_string(),
            "class 2 against the rest: no positive sample: expected at least one; \
             `Average::Weighted` leaves out classes without samples"
        );
        assert_eq!(roc_auc_one_vs_rest(&labels, &scores, 3, Average::Weighted).unwrap(), 1.0);
        assert!(average_precision_one_vs_rest(&labels, &scores, 3, Average::Micro).is_ok());
    }

    #[test]
    fn a_class_that_all_samples_belong_to_is_an_error_even_if_weighted() {
        let error = roc_auc_one_vs_rest(&[0], &[0.6, 0.4], 2, Average::Weighted).unwrap_err();
        assert!(error.to_string().starts_with("class 0 against the rest: no negative sample"));
    }
}
