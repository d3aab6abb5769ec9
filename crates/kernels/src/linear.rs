//! The fully connected layer's product. `Naive` is `Composed` here: candle's product is good enough to compare with.

mod bias;
mod composed;
mod op;

pub use op::{linear, linear_relu};

#[cfg(test)]
mod tests;
