//! The table of precision, recall, F1 and support by class.

use crate::confusion::ConfusionMatrix;
use crate::error::{MetricsError, Result};
use crate::scores::{Average, Scores, ZeroDivision};
use crate::text::{columns, printable, right};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// One class of a [`ClassificationReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the class.
    pub name: String,
    /// Its scores; saved beside the name, not below a key of their own.
    #[serde(flatten)]
    pub scores: Scores,
    /// How often it was predicted; none in reports of before, which do not say.
    #[serde(default)]
    pub predicted: Option<u64>,
}

impl ClassReport {
    /// Whether no sample is of the class and none was taken for it: it has no scores then, and the averages
    /// leave it out.
    pub fn is_absent(&self) -> bool {
        self.scores.support == 0 && self.predicted == Some(0)
    }
}

/// Scores by class and averaged, as scikit-learn's `classification_report`.
///
/// `Display` prints scikit-learn's table, with two digits or as many as the format asks for
/// (`{:.4}`), but for a `-` in place of the scores of a class that is neither a label nor predicted: the
/// macro average leaves it out. Columns are aligned by the width that names take in a terminal. With serde, a NaN
/// (see [`ZeroDivision::NaN`]) is null in JSON, and is read back as NaN.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// use taper_metrics::{ConfusionMatrix, ZeroDivision};
/// let matrix = ConfusionMatrix::from_counts(2, vec![8, 2, 1, 9])?;
/// let report = matrix.report(&["cat", "dog"], ZeroDivision::Zero)?;
/// assert_eq!(report.accuracy, 0.85);
/// assert_eq!(report.to_string(), "              \
///               precision    recall  f1-score   support
///
///          cat       0.89      0.80      0.84        10
///          dog       0.82      0.90      0.86        10
///
///     accuracy                           0.85        20
///    macro avg       0.85      0.85      0.85        20
/// weighted avg       0.85      0.85      0.85        20
/// ");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationReport {
    /// The classes, in order.
    pub classes: Vec<ClassReport>,
    /// The share of samples that are right.
    pub accuracy: f64,
    /// The mean over the classes that are a label or a prediction.
    pub macro_average: Scores,
    /// The mean over the classes, weighted by their number of samples.
    pub weighted_average: Scores,
}

impl ConfusionMatrix {
    /// Precision, recall, F1 and support by class, with the classes' names, and their averages.
    ///
    /// All classes have their line; those that take part in an average are those of
    /// [`average_scores`](Self::average_scores).
    ///
    /// # Errors
    /// No samples; a number of names that is not the number of classes.
    pub fn report(
        &self,
        class_names: &[impl AsRef<str>],
        zero_division: ZeroDivision,
    ) -> Result<ClassificationReport> {
        if class_names.len() != self.num_classes() {
            return Err(MetricsError::ClassMismatch {
                what: "class names",
                expected: self.num_classes(),
                found: class_names.len(),
            });
        }
        let scores = self.scores(zero_division).into_iter().zip(self.predicted());
        let named = class_names.iter().map(|name| name.as_ref().to_owned()).zip(scores);
        Ok(ClassificationReport {
            accuracy: self.accuracy()?,
            classes: named
                .map(|(name, (scores, predicted))| ClassReport {
                    name,
                    scores,
                    predicted: Some(predicted),
                })
                .collect(),
            macro_average: self.average_scores(Average::Macro, zero_division),
            weighted_average: self.average_scores(Average::Weighted, zero_division),
        })
    }
}

impl Display for ClassificationReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let names: Vec<String> = self.classes.iter().map(|class| printable(&class.name)).collect();
        let columns = columns(names.iter().map(String::as_str)).max("weighted avg".len());

        let line = |f: &mut Formatter<'_>, name: &str, cells: [String; 4]| {
            let [precision, recall, f1, support] = cells;
            let name = right(name, columns);
            writeln!(f, "{name}  {precision:>9} {recall:>9} {f1:>9} {support:>9}")
        };
        let number = |value: f64| {
            if value.is_nan() { "nan".to_owned() } else { format!("{value:.digits$}") }
        };
        let cells = |s: &Scores| {
            [number(s.precision), number(s.recall), number(s.f1), s.support.to_string()]
        };

        line(f, "", ["precision", "recall", "f1-score", "support"].map(str::to_owned))?;
        writeln!(f)?;
        for (name, class) in names.iter().zip(&self.classes) {
            let dashes = ["-", "-", "-", "0"].map(str::to_owned);
            line(f, name, if class.is_absent() { dashes } else { cells(&class.scores) })?;
        }
        writeln!(f)?;
        let total = self.macro_average.support.to_string();
        line(f, "accuracy", [String::new(), String::new(), number(self.accuracy), total])?;
        line(f, "macro avg", cells(&self.macro_average))?;
        line(f, "weighted avg", cells(&self.weighted_average))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width;

    fn matrix() -> ConfusionMatrix {
        ConfusionMatrix::from_counts(2, vec![3, 0, 1, 0]).unwrap()
    }

    #[test]
    fn wide_names_keep_the_columns_aligned() {
        let report = matrix().report(&["数字の七と八と九です", "é"], ZeroDivision::Zero).unwrap();
        let text = report.to_string();
        let widths: Vec<usize> = text.lines().filter(|l| !l.is_empty()).map(width).collect();
        assert_eq!(widths, [20 + 2 + 9 + 30; 6]);
        assert!(text.contains("\n                   é       0.00      0.00"), "{text}");
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        let report = matrix().report(&["a\nb", "\u{1b}[31m"], ZeroDivision::Zero).unwrap();
        let text = report.to_string();
        assert!(text.contains(r"a\nb") && text.contains(r"\u{1b}[31m"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_format_sets_the_digits() {
        let report = matrix().report(&["a", "b"], ZeroDivision::NaN).unwrap();
        let text = format!("{report:.4}");
        assert!(text.contains("           a     0.7500    1.0000    0.8571         3\n"), "{text}");
        assert!(text.contains("           b        nan    0.0000    0.0000         1\n"), "{text}");
    }

    #[test]
    fn a_report_survives_json_even_with_nan() {
        let report = matrix().report(&["a", "b"], ZeroDivision::NaN).unwrap();
        let text = serde_json::to_string(&report).unwrap();
        let first = r#"{"name":"a","precision":0.75,"recall":1.0,"f1":0.8571428571428571,"support":3,"predicted":4}"#;
        assert!(text.contains(first), "{text}");
        assert!(text.contains(r#"{"name":"b","precision":null,"recall":0.0,"#), "{text}");
        let read: ClassificationReport = serde_json::from_str(&text).unwrap();
        assert!(read.classes[1].scores.precision.is_nan());
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn a_class_that_is_not_there_has_no_scores() {
        let matrix = ConfusionMatrix::from_counts(3, vec![2, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let report = matrix.report(&["a", "b", "c"], ZeroDivision::Zero).unwrap();
        let text = report.to_string();
        assert!(text.contains("           b          -         -         -         0\n"), "{text}");
        assert!(text.contains("           c       0.00      0.00      0.00         0\n"), "{text}");
        assert!(text.contains("   macro avg       0.50      0.33      0.40         3\n"), "{text}");
        // A report of before, which does not say how often a class was predicted.
        let json = serde_json::to_string(&report).unwrap().replace(",\"predicted\":1", "");
        let read: ClassificationReport = serde_json::from_str(&json).unwrap();
        assert_eq!(read.classes[2].predicted, None);
        assert!(!read.classes[2].is_absent());
    }

    #[test]
    fn names_that_do_not_fit_and_an_empty_matrix_are_errors() {
        let error = matrix().report(&["a"], ZeroDivision::Zero).unwrap_err();
        assert_eq!(error.to_string(), "class names for 1 classes: expected 2");
        let empty = ConfusionMatrix::new(1).unwrap();
        assert_eq!(empty.report(&["a"], ZeroDivision::Zero), Err(MetricsError::Empty));
    }
}
