//! What can go wrong with weights.

use std::io;
use std::path::PathBuf;

/// What went wrong in reading, fitting or writing weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A pattern, given to freeze by, that names nothing.
    #[error(
        "the pattern `{pattern}` matches no trainable parameter of the net; its names are like `{example}`"
    )]
    NothingMatches {
        /// The pattern.
        pattern: String,
        /// One of the names that there are.
        example: String,
    },
    /// A set of tensors that is not the set of parameters.
    #[error("the parameter `{name}` has shape {expected:?}, and the tensor to set it to {}", shape_or_none(.found))]
    ParameterShape {
        /// The parameter's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The tensor's shape, if there is a tensor.
        found: Option<Vec<usize>>,
    },
    /// A tensor for a parameter that there is not.
    #[error("there is no parameter `{name}` to set")]
    UnknownParameter {
        /// The tensor's name.
        name: String,
    },
    /// A file that can't be read.
    #[error("cannot read the weights {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An error of candle's, such as a device that is out of memory.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

fn shape_or_none(shape: &Option<Vec<usize>>) -> String {
    match shape {
        Some(shape) => format!("has {shape:?}"),
        None => "is missing".to_string(),
    }
}
