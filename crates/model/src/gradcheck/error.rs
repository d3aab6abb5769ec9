//! What a check can find.

use std::fmt;

use crate::params::ParamsError;
use crate::weights::WeightsError;

/// One element's two gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The variable.
    pub name: String,
    /// The element's index.
    pub index: Vec<usize>,
    /// The gradient from the tape.
    pub analytic: f64,
    /// The gradient from the difference.
    pub numeric: f64,
    /// Their difference over what is tolerated; wrong above 1.
    pub ratio: f64,
    /// Whether the tape gave a gradient for this variable at all; if not, `analytic` is 0.
    pub reached: bool,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, index, analytic, numeric, ratio, reached } = self;
        write!(f, "`{name}`{index:?} is {analytic:e} by the tape, {numeric:e} by differences")?;
        if !reached {
            write!(
                f,
                " (the tape never reached `{name}`: something is detached, or an operation has no backward, as \
                 candle's `LayerNorm`, `RmsNorm` and `softmax_last_dim`; LayerNorm and Softmax of \
                 `taper_model::layers` have one)"
            )?;
        }
        write!(f, ", {ratio:.1e} times the tolerance")
    }
}

/// Whether a layer ran as in training or as in evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `forward_t(x, true)`
    Training,
    /// `forward_t(x, false)`
    Evaluation,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Training => "training",
            Self::Evaluation => "evaluation",
        })
    }
}

/// What [`gradcheck`](super::gradcheck()) or [`check_layer`](super::check_layer()) found wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Finite differences need f64.
    #[error("`{name}` is {found:?}: gradients are checked in f64 alone")]
    NotF64 {
        /// The variable, or `output`.
        name: String,
        /// Its type.
        found: candle_core::DType,
    },
    /// The gradient is not the one that finite differences give.
    #[error("wrong gradient: {0}")]
    Gradient(Worst),
    /// As [`CheckError::Gradient`], for a layer.
    #[error("wrong gradient in {mode}: {worst}")]
    LayerGradient {
        /// Which of the two ways it ran in.
        mode: Mode,
        /// The worst element.
        worst: Worst,
    },
    /// The output has another shape.
    #[error("the output in {mode} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which of the two ways it ran in.
        mode: Mode,
        /// The shape that was promised.
        expected: Vec<usize>,
        /// The shape that came.
        found: Vec<usize>,
    },
    /// The output is not in the type of the input.
    #[error("the output of an input of {expected:?} is {found:?}")]
    DType {
        /// The input's type.
        expected: candle_core::DType,
        /// The output's type.
        found: candle_core::DType,
    },
    /// The output in f32 is far from that in f64.
    #[error("the output in f32 differs from that in f64 by up to {difference:e}")]
    Precision {
        /// The largest difference, relative to 1 + the value.
        difference: f64,
    },
    /// A gradient in f32 is far from that in f64.
    #[error(
        "in {mode} the gradient of `{name}` in f32 differs from that in f64 by up to {difference:e}"
    )]
    PrecisionOfGradient {
        /// Which of the two ways it ran in.
        mode: Mode,
        /// The parameter, or `input`.
        name: String,
        /// The largest difference, relative to 1 + the largest value.
        difference: f64,
    },
    /// What a net's data says of it does not hold.
    #[error("net `{net}`: {what}")]
    Net {
        /// The net.
        net: &'static str,
        /// What does not hold, with what was expected and found.
        what: String,
    },
    /// An element of the output is not finite.
    #[error("the output in {mode} has an element that is not finite")]
    NotFinite {
        /// Which of the two ways it ran in.
        mode: Mode,
    },
    /// Building the layer twice asked for different parameters.
    #[error(
        "the layer asked for the parameters {first:?} when built first, for {second:?} when built again"
    )]
    Names {
        /// The names of the first time.
        first: Vec<String>,
        /// The names of the second time.
        second: Vec<String>,
    },
    /// A parameter was asked for outside the prefix that the layer was given.
    #[error(
        "the parameter `{name}` lies outside the layer's prefix `{prefix}`; ask the builder that was handed in"
    )]
    Prefix {
        /// The parameter.
        name: String,
        /// The prefix.
        prefix: &'static str,
    },
    /// The same input gave two outputs in evaluation mode.
    #[error("two runs in evaluation differ; evaluation must draw nothing and change nothing")]
    EvaluationDiffers,
    /// The same seed and step gave two outputs in training mode.
    #[error(
        "two runs in training with the same seed and step differ; take randomness from the RngKey alone"
    )]
    TrainingDiffers,
    /// After saving and loading, the output is another.
    #[error(
        "the output in evaluation is another after saving and loading; keep all state in parameters and buffers"
    )]
    ReloadDiffers,
    /// Saving, loading or initializing failed.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Setting the layer's parameters failed.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// candle, or the layer itself, failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
