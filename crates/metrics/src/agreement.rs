//! Agreement of labels and predictions, corrected for chance.

use crate::confusion::ConfusionMatrix;
use crate::error::{MetricsError, Result};
use serde::{Deserialize, Serialize};

/// How much a disagreement between class i and class j weighs in Cohen's kappa.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KappaWeights {
    /// 1 for any disagreement.
    #[default]
    Unweighted,
    /// |i - j|, for ordered classes.
    Linear,
    /// (i - j)², for ordered classes.
    Quadratic,
}

impl ConfusionMatrix {
    /// Cohen's kappa: `1 - Σ w n / Σ w e`, with e the counts to be expected by chance,
    /// `e[i][j] = row[i] column[j] / total`.
    ///
    /// 1 is full agreement, 0 that of chance; it can be negative. Unweighted it is
    /// `(accuracy - chance) / (1 - chance)`. From J. Cohen, "A coefficient of agreement for nominal
    /// scales" (1960), and for the weights "Weighted kappa" (1968).
    ///
    /// # Errors
    /// No samples; all labels and predictions are one class (0/0, where scikit-learn gives NaN).
    ///
    /// ```
    /// # fn main() -> taper_metrics::Result<()> {
    /// use taper_metrics::{ConfusionMatrix, KappaWeights};
    /// let matrix = ConfusionMatrix::from_counts(2, vec![20, 5, 10, 15])?;
    /// let kappa = matrix.cohen_kappa(KappaWeights::Unweighted)?;
    /// assert!((kappa - 0.4).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cohen_kappa(&self, weights: KappaWeights) -> Result<f64> {
        if self.total() == 0 {
            return Err(MetricsError::Empty);
        }
        let weight = |i: usize, j: usize| {
            let distance = i.abs_diff(j) as f64;
            match weights {
                KappaWeights::Unweighted => f64::from(i != j),
                KappaWeights::Linear => distance,
                KappaWeights::Quadratic => distance * distance,
            }
        };
        let (support, predicted) = (self.support(), self.predicted());
        let seen: f64 =
            self.pairs().map(|(i, j, count)| weight(i as usize, j as usize) * count as f64).sum();
        // Of many classes few occur.
        let columns: Vec<_> = predicted.iter().enumerate().filter(|(_, n)| **n > 0).collect();
        let mut expected = 0.0;
        for (i, &row) in support.iter().enumerate().filter(|(_, n)| **n > 0) {
            for &(j, &column) in &columns {
                expected += weight(i, j) * (row as f64 * column as f64);
            }
        }
        if expected == 0.0 {
            // Only then: a row and a column of different classes would have added to it.
            let class = support.iter().position(|&n| n > 0).unwrap_or(0);
            return Err(MetricsError::UndefinedKappa { class });
        }
        Ok(1.0 - seen * self.total() as f64 / expected)
    }

    /// The Matthews correlation coefficient for any number of classes (Gorodkin's R_K):
    /// `(c s - Σ p t) / √((s² - Σ p²)(s² - Σ t²))`, with c the number of correct samples, s the
    /// total, p and t how often each class is predicted and occurs.
    ///
    /// It lies between -1 and 1, and 0 is chance. If all predictions, or all labels, are one class
    /// it is 0, as in scikit-learn: a constant tells nothing. From J. Gorodkin, "Comparing two
    /// K-category assignments by a K-category correlation coefficient" (2004).
    ///
    /// # Errors
    /// No samples.
    ///
    /// ```
    /// # fn main() -> taper_metrics::Result<()> {
    /// use taper_metrics::ConfusionMatrix;
    /// let matrix = ConfusionMatrix::from_counts(2, vec![1, 0, 1, 2])?;
    /// assert!((matrix.matthews()? - 1.0 / 3f64.sqrt()).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    pub fn matthews(&self) -> Result<f64> {
        if self.total() == 0 {
            return Err(MetricsError::Empty);
        }
        let total = self.total() as f64;
        let dot = |a: &[u64], b: &[u64]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum()
        };
        let (support, predicted) = (self.support(), self.predicted());
        let covariance = self.correct() as f64 * total - dot(&support, &predicted);
        let of_labels = total * total - dot(&support, &support);
        let of_predictions = total * total - dot(&predicted, &predicted);
        if of_labels <= 0.0 || of_predictions <= 0.0 {
            return Ok(0.0);
        }
        Ok((covariance / (of_labels * of_predictions).sqrt()).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kappa_of_a_single_class_is_an_error() {
        let matrix = ConfusionMatrix::from_counts(2, vec![0, 0, 0, 5]).unwrap();
        for weights in [KappaWeights::Unweighted, KappaWeights::Linear, KappaWeights::Quadratic] {
            let error = matrix.cohen_kappa(weights).unwrap_err();
            assert_eq!(
                error.to_string(),
                "Cohen's kappa is undefined: all labels and predictions are class 1"
            );
        }
        let empty = ConfusionMatrix::new(2).unwrap();
        assert_eq!(empty.cohen_kappa(KappaWeights::Linear), Err(MetricsError::Empty));
    }

    #[test]
    fn weights_tell_near_from_far_disagreement() {
        let near = ConfusionMatrix::from_counts(3, vec![4, 1, 0, 0, 5, 0, 0, 0, 5]).unwrap();
        let far = ConfusionMatrix::from_counts(3, vec![4, 0, 1, 0, 5, 0, 0, 0, 5]).unwrap();
        let kappa = |m: &ConfusionMatrix, w| m.cohen_kappa(w).unwrap();
        for weights in [KappaWeights::Linear, KappaWeights::Quadratic] {
            assert!(kappa(&near, weights) > kappa(&far, weights));
        }
    }

    #[test]
    fn matthews_is_one_if_perfect_and_zero_for_a_constant() {
        let perfect = ConfusionMatrix::from_counts(3, vec![3, 0, 0, 0, 4, 0, 0, 0, 7]).unwrap();
        assert_eq!(perfect.matthews().unwrap(), 1.0);
        let constant = ConfusionMatrix::from_counts(2, vec![3, 0, 4, 0]).unwrap();
        assert_eq!(constant.matthews().unwrap(), 0.0);
        assert_eq!(ConfusionMatrix::new(2).unwrap().matthews(), Err(MetricsError::Empty));
    }

    #[test]
    fn matthews_of_all_wrong_is_minus_one() {
        let wrong = ConfusionMatrix::from_counts(2, vec![0, 3, 3, 0]).unwrap();
        assert_eq!(wrong.matthews().unwrap(), -1.0);
    }
}
