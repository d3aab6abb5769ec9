//! From scores to predicted classes.

use crate::check;
use crate::error::{MetricsError, Result};

/// The class with the highest score of each row; of equal scores the first, as NumPy's `argmax`.
///
/// # Shapes
/// `scores` is row-major, any number of rows of `num_classes`; logits and probabilities give the
/// same answer.
///
/// # Errors
/// No rows, an incomplete row, a score that is not finite, a bad number of classes.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let logits = [0.1f32, 2.0, -1.0, /* next row */ 3.0, 3.0, 0.0];
/// assert_eq!(taper_metrics::argmax(&logits, 3)?, [1, 0]);
/// # Ok(())
/// # }
/// ```
pub fn argmax<T: Copy + Into<f64>>(scores: &[T], num_classes: usize) -> Result<Vec<u32>> {
    check::num_classes(num_classes)?;
    check::scores(scores.len().div_ceil(num_classes), scores, num_classes)?;
    Ok(scores.chunks_exact(num_classes).map(|row| argmax_row(row).0 as u32).collect())
}

/// Column and score of a row's first maximum.
pub(crate) fn argmax_row<T: Copy + Into<f64>>(row: &[T]) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, &score) in row.iter().enumerate() {
        let score = score.into();
        if score > best.1 {
            best = (class, score);
        }
    }
    best
}

/// One class of a multi-class problem as a binary one: whether each sample is of `class`, and its
/// score for that class.
///
/// This turns every binary metric and curve of the crate into its one-vs-rest form.
///
/// # Shapes
/// `labels` is (n), `scores` (n, `num_classes`), row-major; the answer is two vectors of n.
///
/// # Errors
/// As [`argmax`]; a label, or `class`, out of range; lengths that differ.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// use taper_metrics::{one_vs_rest, roc_curve};
/// let probabilities = [0.7, 0.2, 0.1, /**/ 0.3, 0.3, 0.4, /**/ 0.5, 0.4, 0.1];
/// let (positive, scores) = one_vs_rest(&[0, 2, 1], &probabilities, 3, 2)?;
/// assert_eq!(positive, [false, true, false]);
/// assert_eq!(scores, [0.1, 0.4, 0.1]);
/// assert_eq!(roc_curve(&positive, &scores)?.len(), 3);
/// # Ok(())
/// # }
/// ```
pub fn one_vs_rest<T: Copy + Into<f64>>(
    labels: &[u32],
    scores: &[T],
    num_classes: usize,
    class: u32,
) -> Result<(Vec<bool>, Vec<f64>)> {
    check::labelled_scores(labels, scores, num_classes)?;
    if class as usize >= num_classes {
        let expected = "a class below the number of classes";
        return Err(MetricsError::Parameter { name: "class", found: class.into(), expected });
    }
    let positive = labels.iter().map(|&label| label == class).collect();
    let column = scores.iter().skip(class as usize).step_by(num_classes);
    Ok((positive, column.map(|&score| score.into()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_row_and_no_row_are_errors() {
        assert_eq!(
            argmax(&[1.0, 2.0, 3.0], 2).unwrap_err(),
            MetricsError::ScoreCount { samples: 2, num_classes: 2, found: 3 }
        );
        assert_eq!(argmax::<f32>(&[], 2), Err(MetricsError::Empty));
        assert_eq!(argmax(&[1.0], 0), Err(MetricsError::ClassCount { found: 0 }));
    }

    #[test]
    fn a_class_that_does_not_exist_is_an_error() {
        let error = one_vs_rest(&[0], &[0.5, 0.5], 2, 2).unwrap_err();
        assert_eq!(error.to_string(), "class is 2: expected a class below the number of classes");
    }
}
