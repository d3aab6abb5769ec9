//! Pooling as operations.

use super::geometry::{Geometry, Pool2dConfig};
use super::{composed, naive, vector};
use crate::element::{Element, as_f32, expect_f32, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{Result, Tensor, bail};

/// The largest number of each window.
///
/// The first maximum of a window, in row-major order, takes all of its gradient, and a NaN
/// counts as larger than every number, as in PyTorch. Padding never wins.
///
/// # Shapes
///
/// `x` (n, c, h, w): the result is (n, c, oh, ow), `oh = (h + 2 pad - kernel) / stride + 1`,
/// rounded down.
///
/// # Errors
///
/// If `x` is not of rank 4, a window is larger than the padded image, a size or stride is zero,
/// or the padding is more than half a window.
pub fn max_pool2d(x: &Tensor, config: &Pool2dConfig) -> Result<Tensor> {
    let geometry = Geometry::new("max_pool2d", x.dims(), config)?;
    match resolve(x) {
        Implementation::Composed => composed::max_pool2d(x, &geometry),
        chosen => {
            let op = MaxPool { geometry, isa: chosen.simd_isa() };
            operation::apply(op, [x], geometry.output_shape())
        }
    }
}

/// The mean of each window.
///
/// Zeros of the padding count, as in PyTorch's default (`count_include_pad`): the divisor is
/// always the size of a window.
///
/// # Shapes
///
/// As [`max_pool2d`].
///
/// # Errors
///
/// As [`max_pool2d`].
pub fn avg_pool2d(x: &Tensor, config: &Pool2dConfig) -> Result<Tensor> {
    let geometry = Geometry::new("avg_pool2d", x.dims(), config)?;
    match resolve(x) {
        Implementation::Composed => composed::avg_pool2d(x, &geometry),
        chosen => {
            let op = AvgPool { geometry, isa: chosen.simd_isa() };
            operation::apply(op, [x], geometry.output_shape())
        }
    }
}

/// The mean of each image and channel: (n, c, h, w) becomes (n, c).
///
/// # Errors
///
/// If `x` is not of rank 4, or its images have no pixels.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let &[n, c, h, w] = x.dims() else {
        bail!("global_avg_pool2d: expected an input of rank 4 (n, c, h, w), found {:?}", x.dims())
    };
    if h * w == 0 {
        bail!("global_avg_pool2d: expected images with pixels, found {h} x {w}")
    }
    match resolve(x) {
        Implementation::Composed => composed::global_avg_pool2d(x),
        chosen => {
            let whole = Pool2dConfig { kernel: (h, w), stride: (1, 1), padding: (0, 0) };
            let geometry = Geometry::new("global_avg_pool2d", x.dims(), &whole)?;
            let op = AvgPool { geometry, isa: chosen.simd_isa() };
            operation::apply(op, [x], (n, c))
        }
    }
}

struct MaxPool {
    geometry: Geometry,
    isa: Option<Isa>,
}

impl Operation<1> for MaxPool {
    type Saved = Argmax;

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, Argmax)> {
        max_forward(self.isa, &self.geometry, x)
    }

    fn backward<T: Element>(
        &self,
        _: [&[T]; 1],
        Output { saved, grad, .. }: Output<T, Argmax>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(max_backward(&self.geometry, saved, grad)?)])
    }
}

/// Where the maximum of each output is, saved for the backward pass.
pub(crate) enum Argmax {
    /// Its position in the plane.
    Positions(Vec<u32>),
    /// Its place in the window, in rows filled up to whole vectors.
    Places(Isa, Vec<u8>),
}

/// The maxima, and where they are; in vectors, if there is an instruction set and the elements are
/// `f32`.
pub(crate) fn max_forward<T: Element>(
    isa: Option<Isa>,
    g: &Geometry,
    x: &[T],
) -> Result<(Vec<T>, Argmax)> {
    if let (Some(isa), Some(x)) = (isa.filter(|_| vector::fits(g)), as_f32(x)) {
        let (y, places) = vector::max_forward(isa, g, x);
        return Ok((from_f32(y)?, Argmax::Places(isa, places)));
    }
    if g.plane_in() > u32::MAX as usize {
        bail!("max_pool2d: a plane of {} pixels is too large", g.plane_in())
    }
    let (y, positions) = naive::max(g, x);
    Ok((y, Argmax::Positions(positions)))
}

/// Each output's gradient for the pixel that is its maximum.
pub(crate) fn max_backward<T: Element>(
    g: &Geometry,
    argmax: &Argmax,
    grad: &[T],
) -> Result<Vec<T>> {
    match argmax {
        Argmax::Positions(positions) => Ok(naive::max_gradient(g, positions, grad)),
        Argmax::Places(isa, places) => {
            from_f32(vector::max_backward(*isa, g, places, expect_f32(grad)?))
        }
    }
}

struct AvgPool {
    geometry: Geometry,
    isa: Option<Isa>,
}

impl AvgPool {
    /// Whether the one window is the whole plane.
    fn is_global(&self) -> bool {
        let g = &self.geometry;
        g.plane_out() == 1 && g.config.kernel == (g.h, g.w) && g.config.padding == (0, 0)
    }
}

impl Operation<1> for AvgPool {
    type Saved = ();

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, ())> {
        let g = &self.geometry;
        let y = match (self.isa, as_f32(x)) {
            (Some(isa), Some(x)) if self.is_global() => {
                from_f32(vector::plane_means(isa, g.plane_in(), x))?
            }
            (Some(isa), Some(x)) => from_f32(vector::mean_forward(isa, g, x))?,
            _ => naive::mean(g, x),
        };
        Ok((y, ()))
    }

    fn backward<T: Element>(
        &self,
        _: [&[T]; 1],
        Output { grad, .. }: Output<T, ()>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let g = &self.geometry;
        let dx = match (self.isa, as_f32(grad)) {
            (Some(_), Some(grad)) if self.is_global() => {
                from_f32(vector::spread_means(g.plane_in(), grad))?
            }
            (Some(isa), Some(grad)) => from_f32(vector::mean_backward(isa, g, grad))?,
            _ => naive::mean_gradient(g, grad),
        };
        Ok([Some(dx)])
    }
}
