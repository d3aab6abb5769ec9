//! Weights on their way between a file and a net.

pub mod error;
pub mod pattern;

pub use error::WeightsError;
pub use pattern::{matches, rename};
