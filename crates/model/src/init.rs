//! Seeded initial values: what a parameter starts from when no pretrained tensor gives it.
//!
//! A layer asks its [`ParamBuilder`](crate::ParamBuilder) for a tensor and names an
//! [`Initializer`]; candle's own layers ask with candle's [`Init`](candle_nn::Init), and [`Weights`](crate::weights::Weights) answers both
//! from the same seeded numbers.
//!
//! Each value is a function of (seed, parameter name, element index) alone, so it depends neither
//! on the order in which a net asks for its tensors, nor on its other parameters, nor on the number
//! of threads.

mod draw;
mod initializer;

pub use initializer::{FanMode, Initializer, fans};
