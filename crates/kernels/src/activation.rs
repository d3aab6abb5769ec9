//! Functions applied to each element.

mod composed;
mod function;
mod naive;
mod op;
mod vector;

pub use op::{gelu, gelu_tanh, relu};

#[cfg(test)]
mod tests;
