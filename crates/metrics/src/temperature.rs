//! Temperature: one number that makes a net as sure as it is right.

use crate::check;
use crate::error::Result;

/// The coldest and the warmest temperature that is found.
const RANGE: (f64, f64) = (0.02, 50.0);

/// The temperature T at which `softmax(logits / T)` has the least log loss: above 1 where the net
/// is too sure of itself, below 1 where it is not sure enough. It changes no prediction.
///
/// The loss is convex in 1 / T, so that its slope `Σ (Σ_k p_k z_k - z_y)` has one zero, which is
/// halved down on. A temperature stays within 0.02 and 50: where every prediction is right, colder
/// is always better. C. Guo et al., "On Calibration of Modern Neural Networks" (2017).
///
/// Fit it on images that the net was not trained on, and that it is not judged by.
///
/// # Shapes
/// `labels` is (n), `logits` (n, `num_classes`), row-major; log-probabilities do as well.
///
/// # Errors
/// No samples, lengths that do not fit, a label out of range, a number that is not finite.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// // Sure at odds of e^4 to 1, and right three times of four: odds of 3 to 1 would be honest.
/// let logits = [4.0, 0.0, /**/ 4.0, 0.0, /**/ 4.0, 0.0, /**/ 4.0, 0.0];
/// let temperature = taper_metrics::fit_temperature(&[0, 0, 0, 1], &logits, 2)?;
/// assert!((temperature - 4.0 / 3f64.ln()).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub fn fit_temperature<T: Copy + Into<f64>>(
    labels: &[u32],
    logits: &[T],
    num_classes: usize,
) -> Result<f64> {
    check::labelled_scores(labels, logits, num_classes)?;
    // The slope of the loss by 1 / T.
    let slope = |inverse: f64| {
        let rows = labels.iter().zip(logits.chunks_exact(num_classes));
        rows.map(|(&label, row)| {
            let largest = row.iter().map(|&z| z.into()).fold(f64::NEG_INFINITY, f64::max);
            let (mut weights, mut mean) = (0.0, 0.0);
            for &z in row {
                let below = z.into() - largest;
                let weight = (inverse * below).exp();
                weights += weight;
                mean += weight * below;
            }
            mean / weights - (row[label as usize].into() - largest)
        })
        .sum::<f64>()
    };
    let (mut low, mut high) = (1.0 / RANGE.1, 1.0 / RANGE.0);
    if slope(low) >= 0.0 {
        return Ok(RANGE.1);
    }
    if slope(high) <= 0.0 {
        return Ok(RANGE.0);
    }
    for _ in 0..80 {
        // By ratios: the range goes over orders of magnitude.
        let middle = (low * high).sqrt();
        if slope(middle) > 0.0 { high = middle } else { low = middle }
    }
    Ok(1.0 / (low * high).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_net_that_is_always_right_gets_the_coldest_and_one_that_is_mostly_wrong_the_warmest() {
        assert_eq!(fit_temperature(&[0, 1], &[5.0, 0.0, 0.0, 5.0], 2), Ok(RANGE.0));
        assert_eq!(fit_temperature(&[1, 0], &[5.0, 0.0, 0.0, 5.0], 2), Ok(RANGE.1));
        // Logits that say nothing: any temperature is as good.
        assert!(fit_temperature(&[1, 0], &[1.0; 4], 2).is_ok());
    }

    #[test]
    fn scaled_logits_have_a_scaled_temperature() {
        let logits: Vec<f64> = (0..60).map(|i| f64::from((i * 37) % 19) / 5.0).collect();
        // The largest is right, but for every fourth.
        let best = crate::prediction::argmax(&logits, 3).unwrap();
        let labels: Vec<u32> =
            best.iter().enumerate().map(|(i, k)| (k + u32::from(i % 4 == 0)) % 3).collect();
        let one = fit_temperature(&labels, &logits, 3).unwrap();
        let scaled: Vec<f64> = logits.iter().map(|z| 2.0 * z).collect();
        let two = fit_temperature(&labels, &scaled, 3).unwrap();
        assert!(one > RANGE.0 && two < RANGE.1 && (two / one - 2.0).abs() < 1e-6, "{one} {two}");
    }

    #[test]
    fn a_constant_in_a_row_changes_nothing() {
        let (a, b) = ([1.0, 3.0, 2.0, 0.5], [101.0, 103.0, -48.0, -49.5]);
        let (a, b) = (fit_temperature(&[1, 1], &a, 2), fit_temperature(&[1, 1], &b, 2));
        assert!((a.unwrap() - b.unwrap()).abs() < 1e-9);
    }
}
