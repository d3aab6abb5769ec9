//! Losses: logits and targets to one number.

mod error;
mod targets;

mod cross_entropy;

pub use cross_entropy::CrossEntropy;
pub use error::LossError;
pub use targets::{Loss, Targets};

#[cfg(test)]
mod tests;
