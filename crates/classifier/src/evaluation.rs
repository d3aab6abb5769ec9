//! What a net answered on labelled images.

use crate::error::ClassifierError;

/// What a net answered on a part of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// The true class of each image.
    pub labels: Vec<u32>,
    /// What the net said, row-major: images by classes.
    pub logits: Vec<f32>,
    /// Softmax probabilities, row-major: images by classes.
    pub probabilities: Vec<f32>,
    /// Time in all, reading the images included.
    pub seconds: f64,
}

impl Evaluation {
    /// The evaluation of given logits, row-major: images by classes.
    ///
    /// # Errors
    /// Not a row for each image with a number for each class; no classes.
    pub fn of_logits(
        class_names: Vec<String>,
        labels: Vec<u32>,
        logits: Vec<f32>,
        seconds: f64,
    ) -> Result<Self, ClassifierError> {
        let (images, classes, found) = (labels.len(), class_names.len(), logits.len());
        if classes == 0 || images * classes != found {
            return Err(ClassifierError::Logits { found, images, classes });
        }
        let probabilities = logits.clone();
        let evaluation = Self { class_names, labels, logits, probabilities, seconds };
        Ok(evaluation.with_temperature(1.0))
    }

    /// The same with the logits divided by a temperature before the softmax; at 1 as it is.
    pub fn tempered(self, temperature: f64) -> Self {
        if temperature == 1.0 { self } else { self.with_temperature(temperature) }
    }

    fn with_temperature(mut self, temperature: f64) -> Self {
        let classes = self.num_classes().max(1);
        let rows = self.probabilities.chunks_exact_mut(classes);
        for (row, logits) in rows.zip(self.logits.chunks_exact(classes)) {
            row.copy_from_slice(&softmax(logits, temperature));
        }
        self
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.class_names.len()
    }

    /// Adds the answers on more images.
    pub fn append(&mut self, more: Evaluation) {
        self.labels.extend(more.labels);
        self.logits.extend(more.logits);
        self.probabilities.extend(more.probabilities);
        self.seconds += more.seconds;
    }

    /// The most probable class of each image; of equal ones the first.
    pub fn predictions(&self) -> Vec<u32> {
        self.probabilities
            .chunks_exact(self.num_classes().max(1))
            .map(|row| top_k(row, 1)[0])
            .collect()
    }
}

/// The softmax of logits divided by a temperature, computed in f64.
pub(crate) fn softmax(logits: &[f32], temperature: f64) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |&z: &f32| (f64::from(z - largest) / temperature).exp();
    let weights: Vec<f64> = logits.iter().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// The classes of the `k` largest values of a row, largest first; of equal ones the first.
pub fn top_k(row: &[f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
    order.truncate(k.max(1));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_no_rows_of_the_classes_are_an_error() {
        for (classes, logits) in [(0, 4), (2, 3), (3, 4), (0, 0)] {
            let names = vec!["a".to_string(); classes];
            let error = Evaluation::of_logits(names, vec![0, 0], vec![0.0; logits], 0.0);
            assert_eq!(
                error.unwrap_err().to_string(),
                format!(
                    "{logits} logits for 2 images and {classes} classes: expected one for each class of each image"
                )
            );
        }
        let names = vec!["a".to_string()];
        let one = Evaluation::of_logits(names, vec![0], vec![3.0], 0.0).unwrap();
        assert_eq!((one.probabilities.clone(), one.predictions()), (vec![1.0], vec![0]));
    }
}
