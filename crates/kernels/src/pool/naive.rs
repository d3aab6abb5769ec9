//! Pooling in plain loops, one plane (an image's channel) at a time.

use super::Geometry;
use crate::element::{Element, dispatch, read, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

pub(super) fn max_pool2d(x: &Tensor, geometry: Geometry) -> Result<Tensor> {
    x.contiguous()?.apply_op1(MaxPool { geometry, winners: OnceLock::new() })
}

pub(super) fn avg_pool2d(x: &Tensor, geometry: Geometry) -> Result<Tensor> {
    x.contiguous()?.apply_op1(AvgPool { geometry })
}

impl Geometry {
    fn plane_in(&self) -> usize {
        self.h * self.w
    }

    fn plane_out(&self) -> usize {
        self.oh * self.ow
    }

    pub(crate) fn output_shape(&self) -> Shape {
        (self.n, self.c, self.oh, self.ow).into()
    }

    /// The rows and columns of the image under the window of output `o`.
    fn window(&self, o: usize) -> (Range<usize>, Range<usize>) {
        let axis = |o: usize, stride: usize, padding: usize, kernel: usize, len: usize| {
            let start = o * stride;
            start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(len)
        };
        let (kernel, stride, padding) =
            (self.config.kernel, self.config.stride, self.config.padding);
        (
            axis(o / self.ow, stride.0, padding.0, kernel.0, self.h),
            axis(o % self.ow, stride.1, padding.1, kernel.1, self.w),
        )
    }
}

struct MaxPool {
    geometry: Geometry,
    /// For each output the position of its maximum in the plane, kept for the backward pass.
    winners: OnceLock<Vec<u32>>,
}

/// The maxima, and the position of each in its plane.
pub(crate) fn max_forward<T: Element>(g: &Geometry, x: &[T]) -> (Vec<T>, Vec<u32>) {
    let planes = g.n * g.c;
    let mut y = vec![T::ZERO; planes * g.plane_out()];
    let mut winners = vec![0u32; y.len()];
    let outputs = y.par_chunks_mut(g.plane_out()).zip(winners.par_chunks_mut(g.plane_out()));
    outputs.zip(x.par_chunks(g.plane_in())).for_each(|((y, winners), x)| {
        for (o, (y, winner)) in y.iter_mut().zip(winners).enumerate() {
            let (rows, columns) = g.window(o);
            let mut best = rows.start * g.w + columns.start;
            for row in rows {
                for i in row * g.w + columns.start..row * g.w + columns.end {
                    let is_first_nan = x[i].is_nan() && !x[best].is_nan();
                    if x[i] > x[best] || is_first_nan {
                        best = i;
                    }
                }
            }
            *y = x[best];
            *winner = best as u32;
        }
    });
    (y, winners)
}

/// Adds each output's gradient to its winner.
pub(crate) fn max_backward<T: Element>(g: &Geometry, winners: &[u32], grad: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; g.n * g.c * g.plane_in()];
    let inputs = winners.par_chunks(g.plane_out()).zip(grad.par_chunks(g.plane_out()));
    dx.par_chunks_mut(g.plane_in()).zip(inputs).for_each(|(dx, (winners, grad))| {
        for (&winner, &grad) in winners.iter().zip(grad) {
            dx[winner as usize] += grad;
        }
    });
    dx
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        if self.geometry.plane_in() > u32::MAX as usize {
            bail!("max_pool2d: a plane of {} pixels is too large", self.geometry.plane_in())
        }
        dispatch!(storage.dtype(), self.name(), T => {
            let (y, winners) = max_forward(&self.geometry, slice::<T>(storage, layout)?);
            // An op is applied once; were it applied again, the positions would be the same.
            let _ = self.winners.set(winners);
            Ok((T::to_cpu_storage_owned(y), self.geometry.output_shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let Some(winners) = self.winners.get() else {
            bail!("max_pool2d: backward called before forward")
        };
        dispatch!(x.dtype(), self.name(), T => {
            let dx = read::<T, _>(grad, |g| Ok(max_backward(&self.geometry, winners, g)))?;
            Ok(Some(tensor(dx, x)?))
        })
    }
}

struct AvgPool {
    geometry: Geometry,
}

impl AvgPool {
    fn scale<T: Element>(&self) -> T {
        let (kh, kw) = self.geometry.config.kernel;
        T::from_f64(1. / (kh * kw) as f64)
    }

    fn forward<T: Element>(&self, x: &[T]) -> Vec<T> {
        let g = &self.geometry;
        let mut y = vec![T::ZERO; g.n * g.c * g.plane_out()];
        let planes = y.par_chunks_mut(g.plane_out()).zip(x.par_chunks(g.plane_in()));
        planes.for_each(|(y, x)| {
            for (o, y) in y.iter_mut().enumerate() {
                let (rows, columns) = g.window(o);
                let mut sum = T::ZERO;
                for row in rows {
                    let row = &x[row * g.w..][columns.clone()];
                    sum += row.iter().copied().sum();
                }
                *y = sum * self.scale();
            }
        });
        y
    }

    fn backward<T: Element>(&self, grad: &[T]) -> Vec<T> {
        let g = &self.geometry;
        let mut dx = vec![T::ZERO; g.n * g.c * g.plane_in()];
        let planes = dx.par_chunks_mut(g.plane_in()).zip(grad.par_chunks(g.plane_out()));
        planes.for_each(|(dx, grad)| {
            for (o, &grad) in grad.iter().enumerate() {
                let (rows, columns) = g.window(o);
                for row in rows {
                    for dx in &mut dx[row * g.w..][columns.clone()] {
                        *dx += grad * self.scale();
                    }
                }
            }
        });
        dx
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let y = self.forward(slice::<T>(storage, layout)?);
            Ok((T::to_cpu_storage_owned(y), self.geometry.output_shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            Ok(Some(tensor(read::<T, _>(grad, |g| Ok(self.backward(g)))?, x)?))
        })
    }
}
