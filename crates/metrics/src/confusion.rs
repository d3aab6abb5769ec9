//! The confusion matrix: which class was taken for which, counted as predictions come in.

use crate::check;
use crate::error::{MetricsError, Result};
use crate::prediction::argmax_row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of (label, prediction), one row a label and one column a prediction, as scikit-learn.
///
/// It is filled one sample or one batch at a time, and parts that were counted apart are
/// [merged](Self::merge); the order never matters, because counts are whole numbers. Precision,
/// recall, F-measures, kappa, the Matthews coefficient and the report are read from it. It takes memory for the pairs
/// that occur, no more than there are samples, and not for all that could.
///
/// Saved with serde it is the number of classes and the counts, row by row; of more than 100 classes, most
/// pairs of which never occur, the pairs that do: label, prediction and count. Reading takes both and checks them.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// use taper_metrics::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::new(3)?;
/// matrix.add_batch(&[0, 1, 2, 2], &[0, 2, 2, 2])?;
/// matrix.add(1, 1)?;
/// assert_eq!(matrix.count(1, 2), 1);
/// assert_eq!(matrix.accuracy()?, 0.8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct ConfusionMatrix {
    num_classes: usize,
    /// By label and prediction; none is 0.
    counts: BTreeMap<(u32, u32), u64>,
    /// The sum of the counts: held, so that no sum of counts can overflow.
    total: u64,
}

/// Classes up to which every count is saved.
const SAVED_WHOLE: usize = 100;

/// What is saved of a matrix: one of the two lists. (As variants of an enum they would be read twice, once as a tree
/// of any values.)
#[derive(Serialize, Deserialize)]
struct Saved {
    num_classes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<u64>>,
    /// Label, prediction, count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pairs: Option<Vec<(u32, u32, u64)>>,
}

impl From<ConfusionMatrix> for Saved {
    fn from(matrix: ConfusionMatrix) -> Self {
        let num_classes = matrix.num_classes;
        if num_classes > SAVED_WHOLE {
            return Self { num_classes, counts: None, pairs: Some(matrix.pairs().collect()) };
        }
        let mut counts = vec![0; num_classes * num_classes];
        for (label, prediction, count) in matrix.pairs() {
            counts[label as usize * num_classes + prediction as usize] = count;
        }
        Self { num_classes, counts: Some(counts), pairs: None }
    }
}

impl TryFrom<Saved> for ConfusionMatrix {
    type Error = MetricsError;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { num_classes, counts, pairs } = saved;
        let pairs = match (counts, pairs) {
            (Some(counts), None) => return Self::from_counts(num_classes, counts),
            (None, Some(pairs)) => pairs,
            _ => return Err(MetricsError::SavedMatrix),
        };
        let mut matrix = Self::new(num_classes)?;
        for (label, prediction, count) in pairs {
            check::classes("label", &[label], num_classes)?;
            check::classes("prediction", &[prediction], num_classes)?;
            if matrix.counts.contains_key(&(label, prediction)) {
                return Err(MetricsError::PairTwice { label, prediction });
            }
            matrix.count_more((label, prediction), count)?;
        }
        Ok(matrix)
    }
}

impl ConfusionMatrix {
    /// An empty matrix.
    ///
    /// # Errors
    /// The number of classes is 0 or above [`MAX_CLASSES`](crate::MAX_CLASSES).
    pub fn new(num_classes: usize) -> Result<Self> {
        check::num_classes(num_classes)?;
        Ok(Self { num_classes, counts: BTreeMap::new(), total: 0 })
    }

    /// A matrix from its counts, row by row (a row is a label).
    ///
    /// # Errors
    /// A bad number of classes, counts that do not fill the square, a total beyond `u64`.
    pub fn from_counts(num_classes: usize, counts: Vec<u64>) -> Result<Self> {
        let mut matrix = Self::new(num_classes)?;
        if counts.len() != num_classes * num_classes {
            return Err(MetricsError::CountsLength { num_classes, found: counts.len() });
        }
        for (place, count) in counts.into_iter().enumerate() {
            let pair = ((place / num_classes) as u32, (place % num_classes) as u32);
            matrix.count_more(pair, count)?;
        }
        Ok(matrix)
    }

    fn count_more(&mut self, pair: (u32, u32), count: u64) -> Result<()> {
        self.total = self.total.checked_add(count).ok_or(MetricsError::Overflow)?;
        if count > 0 {
            *self.counts.entry(pair).or_default() += count;
        }
        Ok(())
    }

    /// Counts one sample.
    ///
    /// # Errors
    /// A label or prediction out of range; the matrix is then unchanged.
    pub fn add(&mut self, label: u32, prediction: u32) -> Result<()> {
        self.add_batch(&[label], &[prediction])
    }

    /// Counts a batch: `labels` and `predictions` are class indices, one of each a sample.
    ///
    /// # Errors
    /// Lengths that differ, a label or prediction out of range; the matrix is then unchanged.
    pub fn add_batch(&mut self, labels: &[u32], predictions: &[u32]) -> Result<()> {
        check::length("labels", labels.len(), "predictions", predictions.len())?;
        check::classes("label", labels, self.num_classes)?;
        check::classes("prediction", predictions, self.num_classes)?;
        self.total = self.total.checked_add(labels.len() as u64).ok_or(MetricsError::Overflow)?;
        for (&label, &prediction) in labels.iter().zip(predictions) {
            *self.counts.entry((label, prediction)).or_default() += 1;
        }
        Ok(())
    }

    /// Counts a batch of scores: the prediction is the class with the highest one, see
    /// [`argmax`](crate::argmax).
    ///
    /// # Shapes
    /// `labels` is (n), `scores` (n, classes), row-major: logits or probabilities.
    ///
    /// # Errors
    /// No samples, lengths that do not fit, a label out of range, a score that is not finite; the
    /// matrix is then unchanged.
    pub fn add_scores<T: Copy + Into<f64>>(&mut self, labels: &[u32], scores: &[T]) -> Result<()> {
        check::labelled_scores(labels, scores, self.num_classes)?;
        let predictions: Vec<u32> =
            scores.chunks_exact(self.num_classes).map(|row| argmax_row(row).0 as u32).collect();
        self.add_batch(labels, &predictions)
    }

    /// Adds the counts of another matrix, such as another part of the data.
    ///
    /// Merging is associative and commutative, and equal to having counted all samples in one.
    ///
    /// # Errors
    /// Another number of classes, a total beyond `u64`; the matrix is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.num_classes != other.num_classes {
            return Err(MetricsError::ClassMismatch {
                what: "a confusion matrix",
                expected: self.num_classes,
                found: other.num_classes,
            });
        }
        self.total = self.total.checked_add(other.total).ok_or(MetricsError::Overflow)?;
        for (&pair, &more) in &other.counts {
            *self.counts.entry(pair).or_default() += more;
        }
        Ok(())
    }

    /// The number of classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The pairs that occur, row by row: label, prediction, count.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.counts.iter().map(|(&(label, prediction), &count)| (label, prediction, count))
    }

    /// The `most` pairs that occur most often, of as frequent ones those with the lesser label and prediction.
    ///
    /// ```
    /// let matrix = taper_metrics::ConfusionMatrix::from_counts(2, vec![3, 1, 2, 1])?;
    /// assert_eq!(matrix.most_frequent(3).pairs().collect::<Vec<_>>(), [(0, 0, 3), (0, 1, 1), (1, 0, 2)]);
    /// assert_eq!(matrix.most_frequent(3).total(), 6);
    /// # Ok::<(), taper_metrics::MetricsError>(())
    /// ```
    pub fn most_frequent(&self, most: usize) -> Self {
        let mut pairs: Vec<_> = self.pairs().collect();
        pairs.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count)); // stable
        pairs.truncate(most);
        let total = pairs.iter().map(|(_, _, count)| count).sum();
        let counts = pairs.into_iter().map(|(label, answer, count)| ((label, answer), count));
        Self { num_classes: self.num_classes, counts: counts.collect(), total }
    }

    /// How many samples of class `label` were taken for class `prediction`; 0 for a class that
    /// does not exist.
    pub fn count(&self, label: usize, prediction: usize) -> u64 {
        let pair = u32::try_from(label).ok().zip(u32::try_from(prediction).ok());
        pair.and_then(|pair| self.counts.get(&pair)).copied().unwrap_or(0)
    }

    /// The number of samples.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of samples whose prediction is their label.
    pub fn correct(&self) -> u64 {
        (0..self.num_classes).map(|class| self.count(class, class)).sum()
    }

    /// The number of samples of each class (the sums of the rows).
    pub fn support(&self) -> Vec<u64> {
        self.sums(|label, _| label)
    }

    /// How often each class was predicted (the sums of the columns).
    pub fn predicted(&self) -> Vec<u64> {
        self.sums(|_, prediction| prediction)
    }

    fn sums(&self, class: impl Fn(u32, u32) -> u32) -> Vec<u64> {
        let mut sums = vec![0; self.num_classes];
        for (label, prediction, count) in self.pairs() {
            sums[class(label, prediction) as usize] += count;
        }
        sums
    }

    /// The share of samples that are right: `correct / total`.
    ///
    /// # Errors
    /// No samples.
    pub fn accuracy(&self) -> Result<f64> {
        if self.total == 0 {
            return Err(MetricsError::Empty);
        }
        Ok(self.correct() as f64 / self.total as f64)
    }

    /// The mean of the classes' recalls, over the classes that have samples.
    ///
    /// It is the accuracy that would be seen if every class had the same number of samples. As in
    /// scikit-learn, a class without samples does not enter the mean, and the value is not
    /// adjusted for chance.
    ///
    /// # Errors
    /// No samples.
    pub fn balanced_accuracy(&self) -> Result<f64> {
        if self.total == 0 {
            return Err(MetricsError::Empty);
        }
        let support = self.support();
        let recalls: Vec<f64> = (0..self.num_classes)
            .filter(|&class| support[class] > 0)
            .map(|class| self.count(class, class) as f64 / support[class] as f64)
            .collect();
        Ok(recalls.iter().sum::<f64>() / recalls.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_out_of_range_is_an_error_and_leaves_the_matrix_unchanged() {
        let mut matrix = ConfusionMatrix::new(3).unwrap();
        let error = matrix.add_batch(&[0, 1, 3], &[0, 1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "label 3 of sample 2 is out of range: expected 0 to 2");
        let error = matrix.add(0, 7).unwrap_err();
        assert_eq!(error.to_string(), "prediction 7 of sample 0 is out of range: expected 0 to 2");
        assert_eq!(matrix, ConfusionMatrix::new(3).unwrap());
    }

    #[test]
    fn lengths_that_differ_are_an_error() {
        let error = ConfusionMatrix::new(2).unwrap().add_batch(&[0, 1], &[0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 labels but 1 predictions: one of each is needed for every sample"
        );
    }

    #[test]
    fn zero_classes_and_too_many_classes_are_errors() {
        let error = ConfusionMatrix::new(0).unwrap_err();
        assert_eq!(error.to_string(), "0 classes: expected 1 to 1048576");
        assert!(ConfusionMatrix::new(crate::MAX_CLASSES + 1).is_err());
    }

    #[test]
    fn merging_another_number_of_classes_is_an_error() {
        let mut matrix = ConfusionMatrix::new(2).unwrap();
        let error = matrix.merge(&ConfusionMatrix::new(3).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "a confusion matrix for 3 classes: expected 2");
    }

    #[test]
    fn an_overflowing_total_is_an_error_and_leaves_the_matrix_unchanged() {
        let full = ConfusionMatrix::from_counts(1, vec![u64::MAX]).unwrap();
        let mut matrix = full.clone();
        assert_eq!(matrix.add(0, 0), Err(MetricsError::Overflow));
        assert_eq!(matrix.merge(&full), Err(MetricsError::Overflow));
        assert_eq!(matrix, full);
        assert!(ConfusionMatrix::from_counts(2, vec![u64::MAX, 1, 0, 0]).is_err());
    }

    #[test]
    fn a_saved_matrix_is_read_back_and_checked() {
        let mut matrix = ConfusionMatrix::new(2).unwrap();
        matrix.add_batch(&[0, 1, 1], &[0, 0, 1]).unwrap();
        let text = serde_json::to_string(&matrix).unwrap();
        assert_eq!(text, r#"{"num_classes":2,"counts":[1,0,1,1]}"#);
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&text).unwrap(), matrix);
        let error = serde_json::from_str::<ConfusionMatrix>(r#"{"num_classes":2,"counts":[1]}"#)
            .unwrap_err();
        assert!(error.to_string().starts_with("1 counts: expected 2 x 2"), "{error}");
        for text in [r#"{"num_classes":2}"#, r#"{"num_classes":1,"counts":[1],"pairs":[[0,0,1]]}"#]
        {
            let error = serde_json::from_str::<ConfusionMatrix>(text).unwrap_err().to_string();
            assert!(error.starts_with("a saved matrix with neither or both of"), "{error}");
        }
    }

    #[test]
    fn a_million_classes_take_memory_for_what_occurs() {
        // As a square they would take eight terabytes.
        let mut matrix = ConfusionMatrix::new(crate::MAX_CLASSES).unwrap();
        matrix.add_batch(&[0, 1_000_000, 1_000_000], &[3, 1_000_000, 5]).unwrap();
        assert_eq!((matrix.correct(), matrix.count(1_000_000, 5), matrix.count(5, 5)), (1, 1, 0));
        assert_eq!((matrix.support()[1_000_000], matrix.predicted()[3]), (2, 1));
        assert!(matrix.cohen_kappa(crate::KappaWeights::Quadratic).is_ok());
        let text = serde_json::to_string(&matrix).unwrap();
        let expected =
            r#"{"num_classes":1048576,"pairs":[[0,3,1],[1000000,5,1],[1000000,1000000,1]]}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&text).unwrap(), matrix);
        // A file that claims as many is no larger than what it lists.
        let empty = r#"{"num_classes":1048577,"pairs":[]}"#;
        assert!(serde_json::from_str::<ConfusionMatrix>(empty).is_err());
        assert!(ConfusionMatrix::from_counts(crate::MAX_CLASSES, Vec::new()).is_err());
    }

    #[test]
    fn a_saved_pair_that_comes_twice_is_an_error() {
        let text = r#"{"num_classes":2,"pairs":[[0,1,3],[1,1,2],[0,1,4]]}"#;
        let error = serde_json::from_str::<ConfusionMatrix>(text).unwrap_err().to_string();
        assert!(error.starts_with("label 0 and prediction 1 come twice"), "{error}");
    }

    #[test]
    fn scores_count_as_their_first_maximum() {
        let mut matrix = ConfusionMatrix::new(2).unwrap();
        matrix.add_scores(&[1, 0], &[0.5f32, 0.5, 0.25, 0.75]).unwrap();
        assert_eq!(matrix, ConfusionMatrix::from_counts(2, vec![0, 1, 1, 0]).unwrap());
        let error = matrix.add_scores(&[1, 0], &[0.5, 0.5, f64::NAN, 0.75]).unwrap_err();
        assert_eq!(error.to_string(), "score 2 is NaN: expected a finite number");
        let error = matrix.add_scores(&[1, 0], &[0.5; 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "3 scores: expected 2 rows (one a label) of 2 classes, row-major"
        );
    }

    #[test]
    fn the_accuracy_of_nothing_is_an_error() {
        let matrix = ConfusionMatrix::new(2).unwrap();
        assert_eq!(matrix.accuracy(), Err(MetricsError::Empty));
        assert_eq!(matrix.balanced_accuracy(), Err(MetricsError::Empty));
    }

    #[test]
    fn balanced_accuracy_leaves_out_classes_without_samples() {
        // Recalls 3/4 and 1/2; class 2 is predicted once but never a label.
        let matrix = ConfusionMatrix::from_counts(3, vec![3, 0, 1, 1, 1, 0, 0, 0, 0]).unwrap();
        assert_eq!(matrix.balanced_accuracy().unwrap(), 0.625);
    }
}
