//! Normalization in plain loops; statistics and sums are taken in `f64`.

mod batch;
mod layer;

pub(super) use batch::{batch_norm_eval, batch_norm_train};
pub(super) use layer::layer_norm;
