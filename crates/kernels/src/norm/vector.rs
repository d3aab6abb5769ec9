//! Normalization of `f32` in vectors: sums of a row in `f32` lanes, those of several in `f64`.

pub(super) mod batch;
pub(super) mod layer;
