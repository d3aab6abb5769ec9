//! Two-dimensional convolution.

mod algorithm;
mod bias;
mod composed;
mod depthwise;
mod direct;
mod geometry;
mod im2col;
mod naive;
mod op;
mod plan;
mod winograd;

pub use geometry::{Conv2dBlock, Conv2dConfig};
pub use op::{conv2d, conv2d_block};

#[cfg(test)]
mod tests;
