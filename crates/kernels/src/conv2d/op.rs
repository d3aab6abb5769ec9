//! Convolution, with ReLU and max-pooling, as an operation on candle's tape.

use super::{Algorithm, Geometry, columns, depthwise, direct, naive, product, winograd};
use crate::element::{self, Element, dispatch, from_single, read_all, slice};
use crate::pool;
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::OnceLock;

pub(super) fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    op: Conv2d,
) -> Result<Tensor> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => relay::apply_op3(&x, &weight, &bias.contiguous()?, op),
        None => relay::apply_op2(&x, &weight, op),
    }
}

pub(super) struct Conv2d {
    geometry: Geometry,
    relu: bool,
    pool: Option<pool::Geometry>,
    algorithm: Algorithm,
    /// For pooling that the algorithm leaves.
    isa: Option<Isa>,
    winners: OnceLock<Winners>,
}

/// Where the gradient of a pooled pixel goes, kept for the backward pass.
enum Winners {
    /// As pooling keeps them.
    Pooled(pool::naive::Winners),
    /// Corners of the 2x2 window, as [`winograd`] keeps them.
    Corners(Vec<u8>),
}

impl Conv2d {
    pub(super) fn new(
        geometry: Geometry,
        relu: bool,
        pool: Option<pool::Geometry>,
        algorithm: Algorithm,
        isa: Option<Isa>,
    ) -> Self {
        Self { geometry, relu, pool, algorithm, isa, winners: OnceLock::new() }
    }

    fn output_shape(&self) -> Shape {
        self.pool.map_or(Shape::from_dims(&self.geometry.output_dims()), |pool| pool.output_shape())
    }

    fn forward<T: Element>(&self, x: &[T], w: &[T], b: Option<&[T]>) -> Result<CpuStorage> {
        let g = &self.geometry;
        let mut y = match &self.algorithm {
            Algorithm::Naive => naive::forward(g, x, w, b),
            Algorithm::Product => product::forward(g, x, w, b)?,
            Algorithm::Direct(plan) => {
                let b = b.map(single).transpose()?;
                from_single(direct::forward(plan, single(x)?, single(w)?, b))?
            }
            Algorithm::Columns(plan) => {
                let b = b.map(single).transpose()?;
                from_single(columns::forward(plan, single(x)?, single(w)?, b))?
            }
            Algorithm::Depthwise(plan) => {
                let b = b.map(single).transpose()?;
                from_single(depthwise::forward(plan, single(x)?, single(w)?, b))?
            }
            Algorithm::Winograd(plan) => {
                let bias = b.map(single).transpose()?;
                let (y, corners) = winograd::forward(plan, single(x)?, single(w)?, bias);
                if plan.pools() {
                    let _ = self.winners.set(Winners::Corners(corners));
                }
                let y = from_single(y)?;
                if plan.pools() || self.pool.is_none() {
                    return Ok(T::to_cpu_storage_owned(y));
                }
                y
            }
        };
        if self.relu
            && matches!(
                self.algorithm,
                Algorithm::Naive | Algorithm::Product | Algorithm::Winograd(_)
            )
        {
            y.par_iter_mut().with_min_len(1 << 14).for_each(|y| {
                if *y <= T::ZERO {
                    *y = T::ZERO;
                }
            });
        }
        if let Some(pool) = &self.pool {
            let (pooled, winners) = pool::naive::max_forward(self.isa, pool, &y)?;
            let _ = self.winners.set(Winners::Pooled(winners));
            y = pooled;
        }
        Ok(T::to_cpu_storage_owned(y))
    }

    /// The gradient of the convolution's own output, from that of the operation's output `y`.
    fn inner_gradient<'a, T: Element>(&self, y: &[T], grad: &'a [T]) -> Result<Cow<'a, [T]>> {
        let mut grad = Cow::Borrowed(grad);
        if self.relu {
            // The first maximum of a window is positive where the pooled pixel is.
            let pairs = grad.par_iter().zip(y).with_min_len(1 << 14);
            let flat = pairs.map(|(&g, &y)| if y <= T::ZERO { T::ZERO } else { g });
            grad = Cow::Owned(flat.collect());
        }
        if let (Some(pool), Some(Winners::Pooled(winners))) = (&self.pool, self.winners.get()) {
            grad = Cow::Owned(pool::naive::max_backward(pool, winners, &grad)?);
        }
        Ok(grad)
    }

    /// The gradients that are wanted, of `x` (for images nobody wants it), `weight` and `bias`.
    fn backward<T: Element>(
        &self,
        x: &[T],
        w: &[T],
        y: &[T],
        grad: &[T],
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let g = &self.geometry;
        if self.pool.is_some() && self.winners.get().is_none() {
            bail!("conv2d: backward called before forward")
        }
        if let Algorithm::Winograd(plan) = &self.algorithm {
            let fused = plan.pools() || self.pool.is_none();
            let inner = if fused { Cow::Borrowed(grad) } else { self.inner_gradient(y, grad)? };
            let winners = match self.winners.get() {
                Some(Winners::Corners(corners)) => corners.as_slice(),
                _ => &[],
            };
            let output = winograd::Output { y: single(y)?, winners, grad: single(&inner)? };
            let gradients = winograd::backward(plan, single(x)?, single(w)?, output, wanted);
            return own(gradients);
        }
        if let Algorithm::Direct(plan) = &self.algorithm {
            let inner = if self.pool.is_some() || wanted[0] {
                self.inner_gradient(y, grad)?
            } else {
                Cow::Borrowed(grad)
            };
            let (dw, db) = match self.pool {
                Some(_) => direct::weight_gradient(plan, single(x)?, None, single(&inner)?),
                None => direct::weight_gradient(plan, single(x)?, Some(single(y)?), single(grad)?),
            };
            let dx = wanted[0].then(|| product::input_gradient(g, w, &inner)).transpose()?;
            return Ok([
                dx,
                Some(from_single(dw)?),
                wanted[2].then(|| from_single(db)).transpose()?,
            ]);
        }
        let grad = &*self.inner_gradient(y, grad)?;
        if matches!(self.algorithm, Algorithm::Columns(_) | Algorithm::Depthwise(_)) {
            let (x, w, single_grad) = (single(x)?, single(w)?, single(grad)?);
            return own(match &self.algorithm {
                Algorithm::Depthwise(plan) => depthwise::backward(plan, x, w, single_grad, wanted),
                Algorithm::Columns(plan) => {
                    let wanted_two = [wanted[0], wanted[1]];
                    let [dx, dw] = columns::backward(plan, x, w, single_grad, wanted_two);
                    [dx, dw, wanted[2].then(|| self.bias_gradient(single_grad))]
                }
                _ => [None, None, None],
            });
        }
        let naive = matches!(self.algorithm, Algorithm::Naive);
        let dx = wanted[0].then(|| match naive {
            true => Ok(naive::input_gradient(g, w, grad)),
            false => product::input_gradient(g, w, grad),
        });
        let dw = wanted[1].then(|| match naive {
            true => Ok(naive::weight_gradient(g, x, grad)),
            false => product::weight_gradient(g, x, grad),
        });
        let db = wanted[2].then(|| self.bias_gradient(grad));
        Ok([dx.transpose()?, dw.transpose()?, db])
    }

    /// The gradient's sum over images and positions, channel by channel.
    fn bias_gradient<T: Element>(&self, grad: &[T]) -> Vec<T> {
        let g = &self.geometry;
        let plane = g.oh * g.ow;
        let channels = (0..g.c_out).into_par_iter().map(|o| {
            let images = (0..g.n).map(|n| &grad[(n * g.c_out + o) * plane..][..plane]);
            images.map(|plane| plane.iter().copied().sum()).sum()
        });
        channels.collect()
    }

    fn backward_tensors(
        &self,
        arguments: [Option<&Tensor>; 3],
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let [Some(x), Some(weight), _] = arguments else {
            bail!("conv2d: backward called without arguments")
        };
        let wanted = arguments.map(|argument| argument.is_some_and(Tensor::track_op));
        dispatch!(x.dtype(), "conv2d", T => {
            let gradients = read_all::<T, _, 4>([x, weight, y, grad], |[x, w, y, grad]| {
                self.backward(x, w, y, grad, wanted)
            })?;
            let mut tensors = [None, None, None];
            for ((tensor, gradient), argument) in tensors.iter_mut().zip(gradients).zip(arguments) {
                if let (Some(gradient), Some(argument)) = (gradient, argument) {
                    *tensor = Some(element::tensor(gradient, argument)?);
                }
            }
            Ok(tensors)
        })
    }
}

/// A slice of a generic element type as the `f32` that it is.
fn single<T: Element>(x: &[T]) -> Result<&[f32]> {
    match element::single(x) {
        Some(x) => Ok(x),
        None => bail!("conv2d: a kernel for f32 was called with {:?}", T::DTYPE),
    }
}

/// Gradients of `f32` as the element type that it is.
fn own<T: Element>(gradients: [Option<Vec<f32>>; 3]) -> Result<[Option<Vec<T>>; 3]> {
    let [dx, dw, db] = gradients.map(|gradient| gradient.map(from_single).transpose());
    Ok([dx?, dw?, db?])
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(x.dtype(), "conv2d", T => {
            let y = self.forward::<T>(slice(x, x_layout)?, slice(w, w_layout)?, None)?;
            Ok((y, self.output_shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = self.backward_tensors([Some(x), Some(weight), None], y, grad)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(x.dtype(), "conv2d", T => {
            let bias = Some(slice(b, b_layout)?);
            let y = self.forward::<T>(slice(x, x_layout)?, slice(w, w_layout)?, bias)?;
            Ok((y, self.output_shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, db] = self.backward_tensors([Some(x), Some(weight), Some(bias)], y, grad)?;
        Ok((dx, dw, db))
    }
}
