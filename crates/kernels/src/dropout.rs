//! Dropout with a mask that is a function of seed and position. `Naive` is the vector kernel on portable lanes.

mod composed;
mod mask;
mod op;
mod vector;

pub use op::dropout;

#[cfg(test)]
mod tests;
