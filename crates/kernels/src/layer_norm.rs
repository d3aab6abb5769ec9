//! Normalization of rows to mean 0 and variance 1.

mod composed;
mod naive;
mod op;
mod vector;

pub use op::layer_norm;

#[cfg(test)]
mod tests;
