//! Dropout with a mask that is a function of seed and position.

mod composed;
mod mask;
mod op;
mod vector;

pub use op::dropout;

#[cfg(test)]
mod tests;
