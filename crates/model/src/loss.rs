//! Losses: logits and targets to one number.

mod cross_entropy;
mod error;

pub use cross_entropy::CrossEntropy;
pub use error::LossError;

#[cfg(test)]
mod tests;
