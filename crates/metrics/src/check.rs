//! The checks that every metric makes of its arguments.

use crate::error::{MAX_CLASSES, MetricsError, Result};

/// How far a probability may lie outside 0 to 1 by rounding (a softmax in `f32`).
const RANGE_TOLERANCE: f64 = 1e-6;

/// How far a row of probabilities may be from one: enough for a softmax in `f16`.
const SUM_TOLERANCE: f64 = 1e-3;

pub(crate) fn num_classes(found: usize) -> Result<()> {
    if (1..=MAX_CLASSES).contains(&found) {
        Ok(())
    } else {
        Err(MetricsError::ClassCount { found })
    }
}

/// Checks that every class is below `num_classes`; `what` is `"label"` or `"prediction"`.
pub(crate) fn classes(what: &'static str, classes: &[u32], num_classes: usize) -> Result<()> {
    match classes.iter().position(|&class| class as usize >= num_classes) {
        None => Ok(()),
        Some(sample) => {
            Err(MetricsError::ClassOutOfRange { what, sample, found: classes[sample], num_classes })
        }
    }
}

/// Checks a row-major matrix of scores without its labels: whole rows of finite numbers.
pub(crate) fn scores<T: Copy + Into<f64>>(
    samples: usize,
    scores: &[T],
    num_classes: usize,
) -> Result<()> {
    self::num_classes(num_classes)?;
    if samples.checked_mul(num_classes) != Some(scores.len()) {
        return Err(MetricsError::ScoreCount { samples, num_classes, found: scores.len() });
    }
    if samples == 0 {
        return Err(MetricsError::Empty);
    }
    finite(scores)
}

/// Checks labels and the row-major matrix of their scores.
pub(crate) fn labelled_scores<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
) -> Result<()> {
    self::scores(labels.len(), scores, num_classes)?;
    classes("label", labels, num_classes)
}

/// As [`labelled_scores`], and the rows are probabilities that add up to one.
pub(crate) fn labelled_probabilities<T: Copy + Into<f64>>(
    labels: &[u32],
    values: &[T],
    num_classes: usize,
) -> Result<()> {
    labelled_scores(labels, values, num_classes)?;
    probabilities(values)?;
    for (sample, row) in values.chunks_exact(num_classes).enumerate() {
        let sum: f64 = row.iter().map(|&p| p.into()).sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(MetricsError::RowSum { sample, sum });
        }
    }
    Ok(())
}

/// Checks that every value is between 0 and 1, but for rounding.
pub(crate) fn probabilities<T: Copy + Into<f64>>(values: &[T]) -> Result<()> {
    let allowed = -RANGE_TOLERANCE..=1.0 + RANGE_TOLERANCE;
    match values.iter().position(|&p| !allowed.contains(&p.into())) {
        None => Ok(()),
        Some(index) => Err(MetricsError::NotAProbability { index, value: values[index].into() }),
    }
}

/// Checks flags and their finite scores, one score a flag.
pub(crate) fn flagged_scores<T: Copy + Into<f64>>(
    what: &'static str,
    flags: &[bool],
    scores: &[T],
) -> Result<()> {
    length(what, flags.len(), "scores", scores.len())?;
    if flags.is_empty() {
        return Err(MetricsError::Empty);
    }
    finite(scores)
}

pub(crate) fn length(
    first: &'static str,
    expected: usize,
    second: &'static str,
    found: usize,
) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(MetricsError::Length { first, second, expected, found })
    }
}

pub(crate) fn finite<T: Copy + Into<f64>>(scores: &[T]) -> Result<()> {
    match scores.iter().position(|&score| !score.into().is_finite()) {
        None => Ok(()),
        Some(index) => Err(MetricsError::NotFinite { index, value: scores[index].into() }),
    }
}
