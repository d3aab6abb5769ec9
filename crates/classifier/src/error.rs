//! What can keep a classifier from answering.

use std::path::PathBuf;

use taper_model::WeightsError;
use taper_pretrained::PretrainedError;

/// What can keep a classifier from answering.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// A device that cannot be computed on.
    #[error("no device `{device}`: {reason}; choose `auto` or `cpu`")]
    Device {
        /// The device as a recipe names it.
        device: String,
        /// Why not.
        reason: String,
    },
    /// Nothing says what net weights are of, what classes it names and how images are prepared.
    #[error(
        "{weights}: nothing says what net this is: {silence}; expected the metadata that Taper writes, or a \
         config.json as timm or transformers write it"
    )]
    NoConfig {
        /// The weights as named.
        weights: String,
        /// What there is in place of it.
        silence: String,
    },
    /// A folder in which images are looked for has none.
    #[error("{} holds no image file", .0.display())]
    NoImages(PathBuf),
    /// A net that gives other logits than one for each class of each image.
    #[error(
        "the net gives logits of shape {found:?} for {} images of {} classes, expected {expected:?}: build its last \
         layer with `config.num_classes`",
        expected[0], expected[1]
    )]
    NetOutput {
        /// Their shape.
        found: Vec<usize>,
        /// Images and classes.
        expected: [usize; 2],
    },
    /// Logits that are not a number for each class of each image.
    #[error(
        "{found} logits for {images} images and {classes} classes: expected one for each class of each image"
    )]
    Logits {
        /// Numbers there are.
        found: usize,
        /// Images, by their labels.
        images: usize,
        /// Classes, by their names.
        classes: usize,
    },
    /// Probabilities that are no numbers.
    #[error(
        "the net's answer is not a number: the weights, or how the model's configuration prepares images, are \
         damaged"
    )]
    NotFinite,
    /// The checkpoint could not be opened.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// Images could not be read.
    #[error(transparent)]
    Dataset(#[from] taper_dataset::Error),
    /// The weights do not fit the net.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A tensor operation failed.
    #[error("{}", taper_model::tensor_message(.0))]
    Tensor(#[from] candle_core::Error),
}
