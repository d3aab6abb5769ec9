//! Proper scores of predicted probabilities.

use crate::check;
use crate::error::Result;

/// The mean negative log-likelihood of the labels, `-1/n Σ ln p[label]`, in nats: the
/// cross-entropy that training minimizes.
///
/// As in scikit-learn a probability is first clipped to ε … 1 - ε, so that a zero costs a lot but
/// not infinity; here ε is always `f64::EPSILON` (2.2e-16, a loss of 36.04), where scikit-learn
/// takes that of the array's type (for `f32` 1.2e-7, a loss of 15.94).
///
/// # Shapes
/// `labels` is (n), `probabilities` (n, `num_classes`), row-major.
///
/// # Errors
/// No samples, lengths that do not fit, a label out of range; a value outside 0 to 1 by more than
/// 1e-6, a row that does not add up to one within 0.001.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let probabilities = [0.5f32, 0.5, 0.25, 0.75];
/// let loss = taper_metrics::log_loss(&[0, 0], &probabilities, 2)?;
/// assert!((loss - 1.5 * 2f64.ln()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn log_loss<T: Copy + Into<f64>>(
    labels: &[u32],
    probabilities: &[T],
    num_classes: usize,
) -> Result<f64> {
    check::labelled_probabilities(labels, probabilities, num_classes)?;
    let rows = probabilities.chunks_exact(num_classes);
    let sum: f64 = labels
        .iter()
        .zip(rows)
        .map(|(&label, row)| {
            -row[label as usize].into().clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
        })
        .sum();
    Ok(sum / labels.len() as f64)
}

/// The Brier score, `1/n Σ_samples Σ_classes (p - y)²` with y the one-hot label: from 0, the best,
/// to 2.
///
/// It is scikit-learn's `brier_score_loss(…, scale_by_half=False)`; for two classes scikit-learn
/// halves it by default. From G. W. Brier, "Verification of forecasts expressed in terms of
/// probability" (1950).
///
/// # Shapes and errors
/// As [`log_loss`].
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// assert_eq!(taper_metrics::brier_score(&[1], &[0.25, 0.75], 2)?, 0.125);
/// # Ok(())
/// # }
/// ```
pub fn brier_score<T: Copy + Into<f64>>(
    labels: &[u32],
    probabilities: &[T],
    num_classes: usize,
) -> Result<f64> {
    check::labelled_probabilities(labels, probabilities, num_classes)?;
    let rows = probabilities.chunks_exact(num_classes);
    let mut sum = 0.0;
    for (&label, row) in labels.iter().zip(rows) {
        for (class, &p) in row.iter().enumerate() {
            let difference = p.into() - f64::from(class == label as usize);
            sum += difference * difference;
        }
    }
    Ok(sum / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::MetricsError;

    #[test]
    fn logits_are_refused() {
        let error = log_loss(&[0], &[2.0, -1.0], 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "value 0 is 2: expected a probability from 0 to 1 (apply softmax first?)"
        );
        let error = brier_score(&[0, 1], &[0.5, 0.5, 0.5, 0.25], 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the probabilities of sample 1 add up to 0.75: expected 1 within 0.001"
        );
    }

    #[test]
    fn the_loss_of_an_impossible_label_is_large_but_finite() {
        let loss = log_loss(&[0], &[0.0, 1.0], 2).unwrap();
        assert_eq!(loss, -f64::EPSILON.ln());
    }

    #[test]
    fn rounding_above_one_is_no_error() {
        let loss = log_loss(&[1], &[0.0f32, 1.000_000_1], 2).unwrap();
        assert!((0.0..1e-15).contains(&loss));
    }

    #[test]
    fn the_loss_of_nothing_is_an_error() {
        assert_eq!(log_loss::<f32>(&[], &[], 2), Err(MetricsError::Empty));
    }
}
