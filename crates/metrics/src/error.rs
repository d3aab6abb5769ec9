//! What can be wrong with the arguments of a metric.

use thiserror::Error;

/// The largest number of classes. A confusion matrix has a place only for each pair of classes that occurs.
pub const MAX_CLASSES: usize = 1 << 20;

/// Why a metric could not be computed.
///
/// An undefined metric is an error, never a silent NaN; the exception is a ratio of the
/// confusion matrix, where [`ZeroDivision`](crate::ZeroDivision) says what 0/0 becomes.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// There is nothing to measure.
    #[error("no samples: at least one is needed")]
    Empty,

    /// The number of classes is zero or beyond [`MAX_CLASSES`].
    #[error("{found} classes: expected 1 to {MAX_CLASSES}")]
    ClassCount {
        /// The number that was given.
        found: usize,
    },

    /// A saved confusion matrix has two counts of one pair.
    #[error("label {label} and prediction {prediction} come twice: expected one count a pair")]
    PairTwice {
        /// The label.
        label: u32,
        /// The predicted class.
        prediction: u32,
    },

    /// Two slices that describe the same samples have different lengths.
    #[error("{expected} {first} but {found} {second}: one of each is needed for every sample")]
    Length {
        /// What the first slice holds.
        first: &'static str,
        /// What the second slice holds.
        second: &'static str,
        /// Length of the first slice.
        expected: usize,
        /// Length of the second slice.
        found: usize,
    },

    /// A matrix of scores has the wrong number of elements.
    #[error(
        "{found} scores: expected {samples} rows (one a label) of {num_classes} classes, row-major"
    )]
    ScoreCount {
        /// Number of labels, which is the number of rows.
        samples: usize,
        /// Number of columns.
        num_classes: usize,
        /// Number of scores that were given.
        found: usize,
    },

    /// A label or a predicted class is not below the number of classes.
    #[error("{what} {found} of sample {sample} is out of range: expected 0 to {}", num_classes - 1)]
    ClassOutOfRange {
        /// `"label"` or `"prediction"`.
        what: &'static str,
        /// Position of the sample in its slice.
        sample: usize,
        /// The class that was found.
        found: u32,
        /// The number of classes.
        num_classes: usize,
    },

    /// A score is NaN or infinite.
    #[error("score {index} is {value}: expected a finite number")]
    NotFinite {
        /// Position in the slice.
        index: usize,
        /// The score.
        value: f64,
    },

    /// A value that should be a probability is outside 0 to 1.
    #[error("value {index} is {value}: expected a probability from 0 to 1 (apply softmax first?)")]
    NotAProbability {
        /// Position in the slice.
        index: usize,
        /// The value.
        value: f64,
    },

    /// The probabilities of one sample do not add up to one.
    #[error("the probabilities of sample {sample} add up to {sum}: expected 1 within 0.001")]
    RowSum {
        /// Position of the sample.
        sample: usize,
        /// What its probabilities add up to.
        sum: f64,
    },

    /// Two confusion matrices, or a matrix and its class names, differ in the number of classes.
    #[error("{what} for {found} classes: expected {expected}")]
    ClassMismatch {
        /// What has another number of classes.
        what: &'static str,
        /// The number of classes of the matrix at hand.
        expected: usize,
        /// The number of classes that was found.
        found: usize,
    },

    /// A saved matrix has neither of the two lists, or both.
    #[error("a saved matrix with neither or both of `counts` and `pairs`: expected one of them")]
    SavedMatrix,

    /// The counts do not fill a square matrix.
    #[error("{found} counts: expected {num_classes} x {num_classes}")]
    CountsLength {
        /// The number of classes.
        num_classes: usize,
        /// Number of counts that were given.
        found: usize,
    },

    /// The number of samples no longer fits a `u64`.
    #[error("the number of samples exceeds {}", u64::MAX)]
    Overflow,

    /// No sample is positive.
    #[error("no positive sample: expected at least one")]
    NoPositive,

    /// No sample is negative.
    #[error("no negative sample: expected at least one")]
    NoNegative,

    /// A one-vs-rest metric is undefined for one class.
    #[error(
        "class {class} against the rest: {source}; `Average::Weighted` leaves out classes \
         without samples"
    )]
    Class {
        /// The class.
        class: usize,
        /// Why its metric is undefined.
        source: Box<MetricsError>,
    },

    /// All labels and all predictions are one and the same class.
    #[error("Cohen's kappa is undefined: all labels and predictions are class {class}")]
    UndefinedKappa {
        /// The only class.
        class: usize,
    },

    /// A parameter is outside its range.
    #[error("{name} is {found}: expected {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// What was given.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },

    /// All differences are the same: a test would have nothing to measure them by.
    #[error("all differences are {difference}: expected some that vary")]
    NoVariance {
        /// The mean difference.
        difference: f64,
    },

    /// No threshold reaches the wanted precision.
    #[error("no threshold reaches a precision of {wanted}: the best is {best}")]
    Unreachable {
        /// The precision that was asked for.
        wanted: f64,
        /// The highest precision of any threshold.
        best: f64,
    },
}

/// `Result` with this crate's error.
pub type Result<T> = std::result::Result<T, MetricsError>;
