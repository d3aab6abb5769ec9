//! Scaled dot-product attention.

mod composed;
mod op;
mod vector;

pub use op::{attention, attention_packed};

#[cfg(test)]
mod tests;
