//! Softmax over the last dimension, and the losses built on it.

mod composed;
mod naive;
mod op;
mod vector;

pub use op::{log_softmax, softmax, softmax_cross_entropy};

#[cfg(test)]
mod tests;
