//! The gradient of a convolution's bias, in plain loops.

use super::geometry::Geometry;
use crate::element::Element;
use rayon::prelude::*;

/// The gradient's sum over images and positions, channel by channel.
pub(super) fn bias_gradient<T: Element>(g: &Geometry, grad: &[T]) -> Vec<T> {
    let plane = g.oh * g.ow;
    let channels = (0..g.c_out).into_par_iter().map(|o| {
        let images = (0..g.n).map(|n| &grad[(n * g.c_out + o) * plane..][..plane]);
        images.map(|plane| plane.iter().copied().sum()).sum()
    });
    channels.collect()
}
