//! Which algorithm computes a convolution.

use super::algorithm::{Algorithm, Epilogue};
use super::geometry::{Conv2dBlock, Geometry};
use super::{depthwise, direct, im2col, winograd};
use crate::activation::Activation;
use crate::implementation::Implementation;
use crate::pool::Pool2dConfig;
use candle_core::DType;

/// The algorithm for a convolution and what follows it; none where plain loops are taken.
pub(super) fn choose(
    chosen: Implementation,
    dtype: DType,
    g: Geometry,
    block: &Conv2dBlock,
) -> Option<Box<dyn Algorithm>> {
    if chosen == Implementation::Naive || dtype != DType::F32 {
        return None;
    }
    let (isa, activation) = (chosen.isa(), block.activation);
    let relu = activation == Some(Activation::Relu);
    // One to three channels fill no vector: plain sums along the rows.
    if direct::Plan::fits(&g) && g.c_in < 4 {
        return Some(Box::new(direct::Plan::new(g, isa, relu)));
    }
    if winograd::Plan::fits(&g) && g.c_in >= 4 && g.c_out >= 4 && tiles_pay(&g) {
        // Windows that a 4x4 tile holds whole are pooled within the kernel.
        let pool = (relu || activation.is_none())
            && block.max_pool.is_some_and(|pool| pool == Pool2dConfig::square(2));
        let activation = relu && (pool || block.max_pool.is_none());
        return Some(Box::new(winograd::Plan::new(g, isa, Epilogue { activation, pool })));
    }
    if im2col::Plan::fits(&g) {
        return Some(Box::new(im2col::Plan::new(g, isa, activation)));
    }
    // A filter that sees one channel has too few taps for a product.
    if depthwise::Plan::fits(&g) {
        return Some(Box::new(depthwise::Plan::new(g, isa, activation)));
    }
    None
}

/// Whether the 4x4 tiles of Winograd's algorithm waste less than they save. A tile costs 36
/// products, its pixels 9 each in a plain sum; the transforms take about a third of the time.
fn tiles_pay(g: &Geometry) -> bool {
    let tiles = g.oh.div_ceil(4) * g.ow.div_ceil(4);
    3 * tiles * 36 < 2 * g.oh * g.ow * 9
}
