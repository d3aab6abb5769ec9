//! Functions applied to each element.

mod composed;
mod function;
mod naive;
mod op;
mod vector;

pub use function::Activation;
pub use op::{gelu, gelu_tanh, hard_sigmoid, hard_swish, relu, relu6, sigmoid, silu};

pub(crate) use vector::{Chunk, value};

#[cfg(test)]
mod tests;
