//! Labels as target distributions.

use crate::error::{Error, Result};

/// One row per label, `classes` long: 1 at the label and 0 elsewhere, or smoothed.
///
/// With smoothing `s` the row is `(1 - s) * one_hot + s / classes`, the rule of PyTorch and Keras.
/// Default anywhere: 0.
///
/// # Errors
///
/// When a label is not below `classes`, or the smoothing is outside [0, 1].
///
/// ```
/// use taper_dataset::one_hot;
///
/// assert_eq!(one_hot(&[1, 0], 2, 0.0)?, [0.0, 1.0, 1.0, 0.0]);
/// assert_eq!(one_hot(&[1], 2, 0.5)?, [0.25, 0.75]);
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn one_hot(labels: &[u32], classes: usize, smoothing: f64) -> Result<Vec<f32>> {
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::setting("label smoothing", "a number from 0 to 1", smoothing));
    }
    let other = if classes == 0 { 0.0 } else { smoothing / classes as f64 };
    let mut rows = vec![other as f32; labels.len() * classes];
    for (item, &label) in labels.iter().enumerate() {
        if label as usize >= classes {
            return Err(Error::Label {
                place: "the batch".to_owned(),
                item,
                label: i64::from(label),
                reason: format!("there are {classes} classes, numbered from 0"),
            });
        }
        rows[item * classes + label as usize] = (1.0 - smoothing + other) as f32;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_without_class_is_an_error() {
        let error = one_hot(&[0, 3], 3, 0.0).unwrap_err().to_string();
        assert_eq!(
            error,
            "label 3 of item 1 in the batch is out of range: there are 3 classes, numbered from 0"
        );
        assert!(one_hot(&[0], 0, 0.0).is_err());
    }

    #[test]
    fn smoothing_must_be_a_share() {
        for smoothing in [-0.1, 1.1, f64::NAN] {
            assert!(one_hot(&[0], 2, smoothing).is_err());
        }
    }

    #[test]
    fn every_row_adds_up_to_one() {
        let rows = one_hot(&[0, 4, 9], 10, 0.1).unwrap();
        for row in rows.chunks(10) {
            // Ten roundings of f32.
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert_eq!(rows[0], 0.91);
        assert_eq!(rows[1], 0.01);
    }
}
