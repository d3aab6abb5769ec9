//! Convolution as an operation on candle's tape.

use super::{Algorithm, Geometry, naive, product};
use crate::element::{Element, dispatch, read, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

pub(super) fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: Geometry,
    algorithm: Algorithm,
) -> Result<Tensor> {
    let op = Conv2d { geometry, algorithm };
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op),
        None => x.apply_op2(&weight, op),
    }
}

struct Conv2d {
    geometry: Geometry,
    algorithm: Algorithm,
}

impl Conv2d {
    fn forward<T: Element>(&self, x: &[T], w: &[T], b: Option<&[T]>) -> Result<CpuStorage> {
        let y = match self.algorithm {
            Algorithm::Naive => naive::forward(&self.geometry, x, w, b),
            Algorithm::Product => product::forward(&self.geometry, x, w, b)?,
        };
        Ok(T::to_cpu_storage_owned(y))
    }

    /// The gradients of `x` (only if it is tracked: for the images nobody needs it) and `weight`.
    fn backward<T: Element>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let g = &self.geometry;
        let dx = if x.track_op() {
            let dx = read::<T, _>(weight, |w| {
                read::<T, _>(grad, |grad| match self.algorithm {
                    Algorithm::Naive => Ok(naive::input_gradient(g, w, grad)),
                    Algorithm::Product => product::input_gradient(g, w, grad),
                })
            })?;
            Some(tensor(dx, x)?)
        } else {
            None
        };
        let dw = if weight.track_op() {
            let dw = read::<T, _>(x, |x| {
                read::<T, _>(grad, |grad| match self.algorithm {
                    Algorithm::Naive => Ok(naive::weight_gradient(g, x, grad)),
                    Algorithm::Product => product::weight_gradient(g, x, grad),
                })
            })?;
            Some(tensor(dw, weight)?)
        } else {
            None
        };
        Ok((dx, dw))
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
            Ok((y, self.geometry.output_shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        dispatch!(x.dtype(), "conv2d", T => self.backward::<T>(x, weight, grad))
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
            Ok((y, self.geometry.output_shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        dispatch!(x.dtype(), "conv2d", T => {
            let (dx, dw) = self.backward::<T>(x, weight, grad)?;
            let db = if bias.track_op() {
                Some(tensor(read::<T, _>(grad, |grad| Ok(self.bias_gradient(grad)))?, bias)?)
            } else {
                None
            };
            Ok((dx, dw, db))
        })
    }
}
