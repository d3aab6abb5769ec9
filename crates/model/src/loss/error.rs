//! What can be wrong with a loss's arguments.

/// What can be wrong with a loss's arguments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// The logits are not a matrix with at least one row and one class.
    #[error("logits must have shape (n, classes), neither of them zero, found {found:?}")]
    LogitsShape {
        /// Their shape.
        found: Vec<usize>,
    },
    /// The targets do not go with the logits.
    #[error("targets for logits of shape {logits:?} must have shape {expected:?}, found {found:?}")]
    TargetsShape {
        /// The shape of the logits.
        logits: Vec<usize>,
        /// The shape that the targets should have.
        expected: Vec<usize>,
        /// The shape that they have.
        found: Vec<usize>,
    },
    /// Shares of classes, for a loss that takes a class an image.
    #[error(
        "the loss takes one class an image, found shares of several, as mixup and CutMix make them; switch them off"
    )]
    SharesOfClasses,
    /// The class ids are not `u32`.
    #[error("class ids must be u32, found {found:?}; convert them with `to_dtype(DType::U32)`")]
    LabelsDType {
        /// Their type.
        found: candle_core::DType,
    },
    /// A class id is not below the number of classes.
    #[error(
        "label {label} at position {index} of the batch is out of range: the logits have {classes} classes"
    )]
    LabelOutOfRange {
        /// Its position in the batch.
        index: usize,
        /// The class id.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// The number of class weights is not the number of classes.
    #[error("{found} class weights were given for {expected} classes")]
    ClassWeightsLength {
        /// The number of classes.
        expected: usize,
        /// The number of weights.
        found: usize,
    },
    /// A class weight is negative or not finite.
    #[error(
        "the weight of class {class} is {weight}: class weights must be finite and not negative"
    )]
    ClassWeight {
        /// The class.
        class: usize,
        /// Its weight.
        weight: f64,
    },
    /// The classes of the whole batch weigh nothing, so their mean does not exist.
    #[error(
        "the class weights of all {n} labels in the batch are zero, so the weighted mean does not exist"
    )]
    ZeroWeight {
        /// The number of labels.
        n: usize,
    },
    /// The smoothing is not between 0 and 1.
    #[error("label smoothing must be between 0 and 1, found {found}")]
    LabelSmoothing {
        /// The smoothing.
        found: f64,
    },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
