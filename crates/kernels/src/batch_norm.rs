//! Normalization of each channel to mean 0 and variance 1.

mod composed;
mod naive;
mod op;
mod pass;
mod statistics;
mod vector;

pub use op::{batch_norm_eval, batch_norm_train, fold_batch_norm};
pub use statistics::{BatchNormConfig, BatchNormTrain};

#[cfg(test)]
mod tests;
