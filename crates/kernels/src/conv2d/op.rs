//! Convolution, with ReLU and max-pooling, as an operation.

use super::algorithm::{Algorithm, Epilogue, Output};
use super::geometry::{Conv2dBlock, Conv2dConfig, Geometry};
use super::plan::choose;
use super::{composed, naive};
use crate::activation::Activation;
use crate::element::{Element, expect_f32, from_f32, relu_gradient};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation};
use crate::pool::{self, max_pool2d};
use crate::relay;
use crate::simd::Isa;
use candle_core::{Result, Shape, Tensor};
use std::borrow::Cow;

/// Slides filters over images: cross-correlation, as every framework's convolution.
///
/// `y[n, o, i, j] = b[o] + sum over c, p, q of w[o, c, p, q] * x[n, c', i s - pad + p d, ...]`,
/// where `c'` runs over the input channels of `o`'s group and `x` is zero outside the image.
///
/// # Shapes
///
/// `x` (n, in, h, w), `weight` (out, in / groups, kh, kw), `bias` (out): the result is
/// (n, out, oh, ow), `oh = (h + 2 pad - dilation (kh - 1) - 1) / stride + 1`, rounded down.
///
/// # Errors
///
/// If a rank is wrong, the channels do not fit together, the groups do not divide them, the
/// kernel is larger than the padded image, or a stride or dilation is zero.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
) -> Result<Tensor> {
    conv2d_block(x, weight, bias, &Conv2dBlock { conv: *config, ..Conv2dBlock::default() })
}

/// [`conv2d`], then an activation, then [`max_pool2d`](crate::max_pool2d), in one operation: the same result without
/// the large tensors in between, in memory and on the tape. Where there is a gradient, activations other than a ReLU are
/// operations of their own.
///
/// # Shapes
///
/// Those of [`conv2d`] followed by those of [`max_pool2d`](crate::max_pool2d).
///
/// # Errors
///
/// As [`conv2d`] and [`max_pool2d`](crate::max_pool2d).
pub fn conv2d_block(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    block: &Conv2dBlock,
) -> Result<Tensor> {
    let function = block.activation.filter(|&function| function != Activation::Relu);
    let tracked = relay::has_gradient([x, weight, bias.unwrap_or(weight)]);
    if let Some(function) = function.filter(|_| tracked) {
        let y = function.apply(&conv2d(x, weight, bias, &block.conv)?)?;
        return block.max_pool.as_ref().map_or(Ok(y.clone()), |c| max_pool2d(&y, c));
    }
    let geometry = Geometry::new(x, weight, bias, &block.conv)?;
    let pool = match &block.max_pool {
        Some(config) => Some(pool::Geometry::new("max_pool2d", &geometry.output_dims(), config)?),
        None => None,
    };
    let chosen = resolve(x);
    if chosen == Implementation::Composed {
        let y = composed::conv2d(x, weight, bias, &geometry)?;
        let y = block.activation.map_or(Ok(y.clone()), |function| function.apply(&y))?;
        return block.max_pool.as_ref().map_or(Ok(y.clone()), |c| max_pool2d(&y, c));
    }
    let shape = match &pool {
        Some(pool) => pool.output_shape(),
        None => Shape::from_dims(&geometry.output_dims()),
    };
    let algorithm = choose(chosen, x.dtype(), geometry, block);
    let op =
        Conv2d { geometry, algorithm, activation: block.activation, pool, isa: chosen.simd_isa() };
    match bias {
        Some(bias) => operation::apply(op, [x, weight, bias], shape),
        None => operation::apply(op, [x, weight], shape),
    }
}

struct Conv2d {
    geometry: Geometry,
    /// Without one, plain loops.
    algorithm: Option<Box<dyn Algorithm>>,
    activation: Option<Activation>,
    pool: Option<pool::Geometry>,
    /// For pooling that the algorithm leaves.
    isa: Option<Isa>,
}

struct Saved {
    algorithm: Vec<u8>,
    /// Of pooling that the algorithm leaves.
    argmax: Option<pool::Argmax>,
}

/// Of input and weight, or of input, weight and bias.
impl<const N: usize> Operation<N> for Conv2d {
    type Saved = Saved;

    fn forward<T: Element>(&self, inputs: [&[T]; N]) -> Result<(Vec<T>, Saved)> {
        let (x, w, bias) = (inputs[0], inputs[1], inputs.get(2).copied());
        let (mut y, algorithm) = match &self.algorithm {
            Some(algorithm) => {
                let bias = bias.map(expect_f32).transpose()?;
                let (y, saved) = algorithm.forward(expect_f32(x)?, expect_f32(w)?, bias);
                (from_f32(y)?, saved)
            }
            None => (naive::forward(&self.geometry, x, w, bias), Vec::new()),
        };
        let done = self.epilogue();
        if let Some(function) = self.activation.filter(|_| !done.activation) {
            y = function.values(self.isa, &y)?;
        }
        let mut argmax = None;
        if let Some(pool) = self.pool.as_ref().filter(|_| !done.pool) {
            let (pooled, found) = pool::max_forward(self.isa, pool, &y)?;
            (y, argmax) = (pooled, Some(found));
        }
        Ok((y, Saved { algorithm, argmax }))
    }

    fn backward<T: Element>(
        &self,
        inputs: [&[T]; N],
        operation::Output { y, saved, grad }: operation::Output<T, Saved>,
        wanted: [bool; N],
    ) -> Result<[Option<Vec<T>>; N]> {
        let (x, w) = (inputs[0], inputs[1]);
        let wanted = [0, 1, 2].map(|i| wanted.get(i).is_some_and(|&wanted| wanted));
        // What the algorithm left to do after it is gone through first.
        let pooled = self.pool.as_ref().zip(saved.argmax.as_ref());
        // A ReLU: no other activation has its gradient here.
        let relu = self.activation.is_some();
        let left = relu && (pooled.is_some() || !self.epilogue().activation);
        let mut grad = Cow::Borrowed(grad);
        if left {
            // The first maximum of a window is positive where the pooled pixel is.
            grad = Cow::Owned(relu_gradient(y, &grad));
        }
        if let Some((pool, argmax)) = pooled {
            grad = Cow::Owned(pool::max_backward(pool, argmax, &grad)?);
        }
        let gradients = match &self.algorithm {
            Some(algorithm) => {
                let y = (relu && !left).then(|| expect_f32(y)).transpose()?;
                let output = Output { y, saved: &saved.algorithm, grad: expect_f32(&grad)? };
                let gradients = algorithm.backward(expect_f32(x)?, expect_f32(w)?, output, wanted);
                gradients.map(|gradient| gradient.map(from_f32).transpose())
            }
            None => naive::backward(&self.geometry, x, w, &grad, wanted).map(Ok),
        };
        let mut found = [const { None }; N];
        for (found, gradient) in found.iter_mut().zip(gradients) {
            *found = gradient?;
        }
        Ok(found)
    }
}

impl Conv2d {
    /// What the algorithm does on the way.
    fn epilogue(&self) -> Epilogue {
        self.algorithm.as_ref().map_or(Epilogue::default(), |algorithm| algorithm.epilogue())
    }
}
