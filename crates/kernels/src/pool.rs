//! Pooling: windows of an image reduced to one number each.

mod composed;
mod geometry;
mod naive;
mod op;
mod vector;

pub(crate) use geometry::Geometry;
pub use geometry::Pool2dConfig;
pub(crate) use op::{Argmax, max_backward, max_forward};
pub use op::{avg_pool2d, global_avg_pool2d, max_pool2d};

#[cfg(test)]
mod tests;
