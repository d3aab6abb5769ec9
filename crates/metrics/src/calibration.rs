//! Calibration: whether predictions made with 80 % confidence are right 80 % of the time.

use crate::check;
use crate::error::{MetricsError, Result};
use crate::prediction::argmax_row;
use serde::{Deserialize, Serialize};

/// The samples whose confidence falls into one range: a bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower end of the range, not part of it except in the first bin.
    pub lower: f64,
    /// Upper end of the range, part of it.
    pub upper: f64,
    /// The number of samples.
    pub count: u64,
    /// Their mean confidence; none without samples.
    pub confidence: Option<f64>,
    /// The share of them that is right; none without samples.
    pub accuracy: Option<f64>,
}

impl CalibrationBin {
    /// |accuracy - confidence|; none without samples.
    pub fn gap(&self) -> Option<f64> {
        Some((self.accuracy? - self.confidence?).abs())
    }
}

/// A reliability diagram and the errors that are read from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The bins, all of the same width, from confidence 0 to 1.
    pub bins: Vec<CalibrationBin>,
    /// ECE: the gaps between accuracy and confidence, weighted by the bins' shares of the samples.
    pub expected_error: f64,
    /// MCE: the largest gap.
    pub maximum_error: f64,
}

/// Calibration of the predicted class: the confidence of a sample is its highest probability, and
/// it is right if that class (of equal ones the first) is the label.
///
/// `ECE = Σ_b n_b / n |accuracy_b - confidence_b|` over `num_bins` bins of equal width, bin b
/// holding the confidences in (b / num_bins, (b + 1) / num_bins], and the first also 0. 15 bins are
/// usual. From C. Guo et al., "On Calibration of Modern Neural Networks" (2017), after M. P. Naeini
/// et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015).
///
/// # Shapes
/// `labels` is (n), `probabilities` (n, `num_classes`), row-major.
///
/// # Errors
/// `num_bins` is 0 or above 1,000,000; no samples, lengths that do not fit, a label out of range; a
/// value outside 0 to 1 by more than 1e-6, a row that does not add up to one within 0.001.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let probabilities = [0.75, 0.25, /**/ 0.75, 0.25, /**/ 0.0, 1.0];
/// let calibration = taper_metrics::calibration(&[0, 1, 1], &probabilities, 2, 10)?;
/// let bin = &calibration.bins[7];
/// assert_eq!((bin.lower, bin.upper, bin.count), (0.7, 0.8, 2));
/// assert_eq!((bin.confidence, bin.accuracy), (Some(0.75), Some(0.5)));
/// assert!((calibration.expected_error - 2.0 / 3.0 * 0.25).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn calibration<T: Copy + Into<f64>>(
    labels: &[u32],
    probabilities: &[T],
    num_classes: usize,
    num_bins: usize,
) -> Result<Calibration> {
    check::labelled_probabilities(labels, probabilities, num_classes)?;
    let predictions = probabilities.chunks_exact(num_classes).map(argmax_row);
    let (correct, confidences): (Vec<bool>, Vec<f64>) = labels
        .iter()
        .zip(predictions)
        .map(|(&label, (class, confidence))| (class == label as usize, confidence))
        .unzip();
    calibration_of_confidences(&correct, &confidences, num_bins)
}

/// Calibration of any confidences: whether each sample came true, and the probability given to it.
///
/// This is [`calibration`] for what is not the highest of several classes, such as the probability
/// of the positive class in a binary problem.
///
/// # Errors
/// `num_bins` is 0 or above 1,000,000; no samples, lengths that differ, a value outside 0 to 1.
pub fn calibration_of_confidences<T: Copy + Into<f64>>(
    correct: &[bool],
    confidences: &[T],
    num_bins: usize,
) -> Result<Calibration> {
    if !(1..=1_000_000).contains(&num_bins) {
        let expected = "1 to 1000000";
        return Err(MetricsError::Parameter { name: "num_bins", found: num_bins as f64, expected });
    }
    check::flagged_scores("outcomes", correct, confidences)?;
    check::probabilities(confidences)?;

    // The ends are quotients, so that a confidence of 0.3 and the end of bin 2 of 10 are equal.
    let uppers: Vec<f64> = (1..=num_bins).map(|bin| bin as f64 / num_bins as f64).collect();
    let mut sums = vec![(0u64, 0u64, 0.0); num_bins];
    for (&correct, &confidence) in correct.iter().zip(confidences) {
        let confidence = confidence.into();
        // Rounding may have left a confidence just above 1: the last bin takes it.
        let bin = uppers.partition_point(|&upper| upper < confidence).min(num_bins - 1);
        let (count, right, sum) = &mut sums[bin];
        *count += 1;
        *right += u64::from(correct);
        *sum += confidence;
    }

    let bins: Vec<CalibrationBin> = sums
        .iter()
        .enumerate()
        .map(|(bin, &(count, right, sum))| CalibrationBin {
            lower: if bin == 0 { 0.0 } else { uppers[bin - 1] },
            upper: uppers[bin],
            count,
            confidence: (count > 0).then(|| sum / count as f64),
            accuracy: (count > 0).then(|| right as f64 / count as f64),
        })
        .collect();
    let gaps = || bins.iter().filter_map(|bin| Some((bin.count as f64, bin.gap()?)));
    let expected_error = gaps().map(|(n, gap)| n * gap).sum::<f64>() / correct.len() as f64;
    let maximum_error = gaps().map(|(_, gap)| gap).fold(0.0, f64::max);
    Ok(Calibration { bins, expected_error, maximum_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_end_belongs_to_its_bin_and_zero_to_the_first() {
        let confidences = [0.0, 0.1, 0.2, 0.3, 0.7, 1.0];
        let calibration = calibration_of_confidences(&[true; 6], &confidences, 10).unwrap();
        let counts: Vec<u64> = calibration.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [2, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
        assert_eq!(calibration.bins[3].gap(), None);
        assert_eq!(calibration.maximum_error, 0.95);
    }

    #[test]
    fn sure_and_right_has_no_error() {
        let calibration = calibration(&[0, 1], &[1.0f32, 0.0, 0.0, 1.0], 2, 15).unwrap();
        assert_eq!((calibration.expected_error, calibration.maximum_error), (0.0, 0.0));
    }

    #[test]
    fn no_bins_and_no_probabilities_are_errors() {
        let error = calibration_of_confidences(&[true], &[0.5], 0).unwrap_err();
        assert_eq!(error.to_string(), "num_bins is 0: expected 1 to 1000000");
        assert_eq!(
            calibration_of_confidences(&[true], &[1.5], 10),
            Err(MetricsError::NotAProbability { index: 0, value: 1.5 })
        );
        assert_eq!(calibration::<f64>(&[], &[], 2, 10), Err(MetricsError::Empty));
    }
}
