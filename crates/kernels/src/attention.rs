//! Scaled dot-product attention. `Naive` is `Composed` here, of candle's own products.

mod composed;
mod op;
mod vector;

pub use op::{attention, attention_packed};

#[cfg(test)]
mod tests;
