//! Seeded initial values: what a parameter starts from when no pretrained tensor gives it.
//!
//! A layer asks for its tensors with [`get`], naming an [`Initializer`]; candle's own layers ask
//! with candle's [`Init`](candle_nn::Init), and [`Weights`](crate::weights::Weights) answers both
//! from the same seeded numbers.
//!
//! Each value is a function of (seed, parameter name, element index) alone, so it depends neither
//! on the order in which a net asks for its tensors, nor on its other parameters, nor on the number
//! of threads.

mod draw;
mod initializer;
mod request;

pub use initializer::{FanMode, Initializer, fans};
pub use request::get;
pub(crate) use request::take_pending;
