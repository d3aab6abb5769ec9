//! Precision, recall and F-measures, read from a confusion matrix.

use crate::confusion::ConfusionMatrix;
use crate::error::{MetricsError, Result};
use serde::{Deserialize, Deserializer, Serialize};

/// What a ratio is when its denominator is zero, as scikit-learn's `zero_division`.
///
/// The precision of a class that was never predicted is 0/0, and so is the recall of a class
/// without samples; an F-measure is 0/0 only where both are so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZeroDivision {
    /// 0, the pessimist's choice and the default (scikit-learn's too, which also warns).
    #[default]
    Zero,
    /// 1.
    One,
    /// Not a number, and left out of macro and weighted averages.
    NaN,
}

impl ZeroDivision {
    fn ratio(self, numerator: f64, denominator: f64) -> f64 {
        if denominator != 0.0 {
            return numerator / denominator;
        }
        match self {
            Self::Zero => 0.0,
            Self::One => 1.0,
            Self::NaN => f64::NAN,
        }
    }
}

/// How one number is made of one number a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// Over the pooled decisions of all classes. For precision, recall and F1 of a confusion matrix
    /// it equals the accuracy.
    Micro,
    /// The mean over the classes that are a label or a prediction, each with the same weight.
    #[default]
    Macro,
    /// The mean over the classes, each weighted by its number of samples.
    Weighted,
}

/// Precision, recall and F1 of one class, or an average of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Of what was predicted as the class, the share that is: `tp / (tp + fp)`.
    #[serde(deserialize_with = "null_is_nan")]
    pub precision: f64,
    /// Of what is of the class, the share that was found: `tp / (tp + fn)`.
    #[serde(deserialize_with = "null_is_nan")]
    pub recall: f64,
    /// The harmonic mean of the two: `2 tp / (2 tp + fp + fn)`.
    #[serde(deserialize_with = "null_is_nan")]
    pub f1: f64,
    /// The number of samples of the class, or of all classes.
    pub support: u64,
}

/// JSON has no NaN and writes it as null.
fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A class's row sum, column sum and their common cell.
#[derive(Clone, Copy)]
struct Totals {
    correct: u64,
    predicted: u64,
    support: u64,
}

impl Totals {
    fn scores(self, zero_division: ZeroDivision) -> Scores {
        let correct = self.correct as f64;
        Scores {
            precision: zero_division.ratio(correct, self.predicted as f64),
            recall: zero_division.ratio(correct, self.support as f64),
            f1: self.f_beta(1.0, zero_division),
            support: self.support,
        }
    }

    /// `(1 + b²) tp / (b² (tp + fn) + (tp + fp))`: unlike the harmonic mean of precision and recall
    /// it is defined where one of them is not.
    fn f_beta(self, beta: f64, zero_division: ZeroDivision) -> f64 {
        let squared = beta * beta;
        zero_division.ratio(
            (1.0 + squared) * self.correct as f64,
            squared * self.support as f64 + self.predicted as f64,
        )
    }
}

impl ConfusionMatrix {
    /// Precision, recall, F1 and support of each class, in the order of the classes.
    ///
    /// ```
    /// # fn main() -> taper_metrics::Result<()> {
    /// use taper_metrics::{ConfusionMatrix, ZeroDivision};
    /// let mut matrix = ConfusionMatrix::new(2)?;
    /// matrix.add_batch(&[0, 0, 0, 1], &[0, 0, 1, 1])?;
    /// let scores = matrix.scores(ZeroDivision::Zero);
    /// assert_eq!((scores[1].precision, scores[1].recall), (0.5, 1.0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn scores(&self, zero_division: ZeroDivision) -> Vec<Scores> {
        self.totals().into_iter().map(|totals| totals.scores(zero_division)).collect()
    }

    /// The average of precision, recall and F1 over the classes; the support is the total.
    ///
    /// The classes that are a label or a prediction of some sample take part, as in scikit-learn and
    /// torchmetrics: a class that is neither says nothing of the predictions. With
    /// [`ZeroDivision::NaN`] what is undefined is left out, and the average is NaN only if nothing
    /// is left; if the classes left have no samples, a weighted average weighs them alike. Of no samples
    /// the averages are 0/0.
    ///
    /// ```
    /// # fn main() -> taper_metrics::Result<()> {
    /// use taper_metrics::{Average, ConfusionMatrix, ZeroDivision};
    /// // Of three classes the last is not there.
    /// let matrix = ConfusionMatrix::from_counts(3, vec![2, 0, 0, 0, 2, 0, 0, 0, 0])?;
    /// assert_eq!(matrix.average_scores(Average::Macro, ZeroDivision::Zero).f1, 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn average_scores(&self, average: Average, zero_division: ZeroDivision) -> Scores {
        if average == Average::Micro {
            return self.pooled().scores(zero_division);
        }
        let scores = self.scores(zero_division);
        let mean = |value: fn(&Scores) -> f64| {
            self.mean(scores.iter().map(value), average == Average::Weighted, zero_division)
        };
        Scores {
            precision: mean(|s| s.precision),
            recall: mean(|s| s.recall),
            f1: mean(|s| s.f1),
            support: self.total(),
        }
    }

    /// The F-measure of each class: `(1 + β²) tp / ((1 + β²) tp + β² fn + fp)`.
    ///
    /// Recall counts β times as much as precision; β = 0 is the precision, β = 1 is F1.
    ///
    /// # Errors
    /// `beta` is negative, not finite or above 1e150.
    pub fn f_beta(&self, beta: f64, zero_division: ZeroDivision) -> Result<Vec<f64>> {
        check_beta(beta)?;
        Ok(self.totals().into_iter().map(|totals| totals.f_beta(beta, zero_division)).collect())
    }

    /// The average of [`f_beta`](Self::f_beta) over the classes, by the rules of
    /// [`average_scores`](Self::average_scores).
    ///
    /// # Errors
    /// As [`f_beta`](Self::f_beta).
    pub fn average_f_beta(
        &self,
        beta: f64,
        average: Average,
        zero_division: ZeroDivision,
    ) -> Result<f64> {
        let classes = self.f_beta(beta, zero_division)?;
        Ok(match average {
            Average::Micro => self.pooled().f_beta(beta, zero_division),
            Average::Macro => self.mean(classes.into_iter(), false, zero_division),
            Average::Weighted => self.mean(classes.into_iter(), true, zero_division),
        })
    }

    fn totals(&self) -> Vec<Totals> {
        let (predicted, support) = (self.predicted(), self.support());
        (0..self.num_classes())
            .map(|class| Totals {
                correct: self.count(class, class),
                predicted: predicted[class],
                support: support[class],
            })
            .collect()
    }

    /// Every sample is one decision of the pool: its prediction and its label.
    fn pooled(&self) -> Totals {
        Totals { correct: self.correct(), predicted: self.total(), support: self.total() }
    }

    fn mean(
        &self,
        values: impl Iterator<Item = f64>,
        weighted: bool,
        zero_division: ZeroDivision,
    ) -> f64 {
        let defined: Vec<(f64, f64)> = values
            .zip(self.totals())
            .filter(|(value, totals)| totals.support + totals.predicted > 0 && !value.is_nan())
            .map(|(value, totals)| (value, totals.support as f64))
            .collect();
        let weights: f64 = defined.iter().map(|&(_, weight)| weight).sum();
        if weighted && weights > 0.0 {
            return defined.iter().map(|&(value, weight)| value * weight).sum::<f64>() / weights;
        }
        match self.total() {
            0 => zero_division.ratio(0.0, 0.0),
            // No value: 0/0 is the NaN that is promised.
            _ => defined.iter().map(|&(value, _)| value).sum::<f64>() / defined.len() as f64,
        }
    }
}

fn check_beta(beta: f64) -> Result<()> {
    if (0.0..=1e150).contains(&beta) {
        Ok(())
    } else {
        let expected = "a number from 0 to 1e150";
        Err(MetricsError::Parameter { name: "beta", found: beta, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0: two right. Class 1: taken for 0. Class 2: neither a label nor predicted.
    fn matrix() -> ConfusionMatrix {
        ConfusionMatrix::from_counts(3, vec![2, 0, 0, 1, 0, 0, 0, 0, 0]).unwrap()
    }

    #[test]
    fn zero_division_decides_what_zero_by_zero_is() {
        let zero = matrix().scores(ZeroDivision::Zero);
        let one = matrix().scores(ZeroDivision::One);
        let nan = matrix().scores(ZeroDivision::NaN);
        // Class 1 was never predicted: its recall and F1 are defined, its precision is not.
        assert_eq!((zero[1].precision, zero[1].recall, zero[1].f1), (0.0, 0.0, 0.0));
        assert_eq!((one[1].precision, one[1].recall, one[1].f1), (1.0, 0.0, 0.0));
        assert!(nan[1].precision.is_nan() && nan[1].recall == 0.0 && nan[1].f1 == 0.0);
        assert_eq!((one[2].precision, one[2].recall, one[2].f1), (1.0, 1.0, 1.0));
        assert!(nan[2].f1.is_nan());
    }

    #[test]
    fn undefined_scores_are_left_out_of_averages_with_nan() {
        let scores = matrix().average_scores(Average::Macro, ZeroDivision::NaN);
        assert_eq!(scores.precision, 2.0 / 3.0);
        assert_eq!(scores.recall, 0.5);
        let scores = matrix().average_scores(Average::Macro, ZeroDivision::Zero);
        assert_eq!((scores.precision, scores.recall), (1.0 / 3.0, 0.5));
    }

    #[test]
    fn a_class_that_is_neither_label_nor_prediction_does_not_count() {
        // scikit-learn 1.9.1: f1_score([0,0,0,1,1,1,3,3,3], the same, average="macro") = 1.0.
        let mut matrix = ConfusionMatrix::new(4).unwrap();
        let labels = [0, 0, 0, 1, 1, 1, 3, 3, 3];
        matrix.add_batch(&labels, &labels).unwrap();
        for zero_division in [ZeroDivision::Zero, ZeroDivision::One, ZeroDivision::NaN] {
            let scores = matrix.average_scores(Average::Macro, zero_division);
            assert_eq!((scores.precision, scores.recall, scores.f1), (1.0, 1.0, 1.0));
            let f2 = matrix.average_f_beta(2.0, Average::Macro, zero_division).unwrap();
            assert_eq!(f2, 1.0);
        }
        // One that is predicted alone does.
        matrix.add(0, 2).unwrap();
        let scores = matrix.average_scores(Average::Macro, ZeroDivision::Zero);
        assert_eq!((scores.precision, scores.recall), (0.75, 0.6875));
    }

    #[test]
    fn averages_of_an_empty_matrix_are_what_zero_division_says() {
        let empty = ConfusionMatrix::new(2).unwrap();
        for average in [Average::Micro, Average::Macro, Average::Weighted] {
            assert_eq!(empty.average_scores(average, ZeroDivision::One).f1, 1.0);
            assert_eq!(empty.average_scores(average, ZeroDivision::Zero).f1, 0.0);
            assert!(empty.average_scores(average, ZeroDivision::NaN).f1.is_nan());
        }
    }

    #[test]
    fn beta_zero_is_the_precision() {
        let matrix = ConfusionMatrix::from_counts(2, vec![3, 2, 1, 4]).unwrap();
        let scores = matrix.scores(ZeroDivision::Zero);
        let f = matrix.f_beta(0.0, ZeroDivision::Zero).unwrap();
        assert_eq!(f, [scores[0].precision, scores[1].precision]);
    }

    #[test]
    fn a_bad_beta_is_an_error() {
        let error = matrix().f_beta(-1.0, ZeroDivision::Zero).unwrap_err();
        assert_eq!(error.to_string(), "beta is -1: expected a number from 0 to 1e150");
        assert!(matrix().average_f_beta(f64::NAN, Average::Micro, ZeroDivision::Zero).is_err());
    }
}
