//! The fully connected layer's product.

mod composed;
mod naive;
mod op;

pub use op::{linear, linear_relu};

#[cfg(test)]
mod tests;
