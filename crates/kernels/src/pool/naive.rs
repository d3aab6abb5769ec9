//! Pooling in plain loops, one plane (an image's channel) at a time.

use super::{Geometry, vector};
use crate::element::{Element, dispatch, from_single, read, single, slice, tensor};
use crate::path::Path;
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

pub(super) fn max_pool2d(x: &Tensor, geometry: Geometry, path: Path) -> Result<Tensor> {
    let isa = path.vectors();
    relay::apply_op1(&x.contiguous()?, MaxPool { geometry, isa, winners: OnceLock::new() })
}

pub(super) fn avg_pool2d(x: &Tensor, geometry: Geometry, path: Path) -> Result<Tensor> {
    relay::apply_op1(&x.contiguous()?, AvgPool { geometry, isa: path.vectors() })
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
    isa: Option<Isa>,
    winners: OnceLock<Winners>,
}

/// Where the maximum of each output is, kept for the backward pass.
pub(crate) enum Winners {
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
) -> Result<(Vec<T>, Winners)> {
    if let (Some(isa), Some(x)) = (isa.filter(|_| vector::fits(g)), single(x)) {
        let (y, places) = vector::max_forward(isa, g, x);
        return Ok((from_single(y)?, Winners::Places(isa, places)));
    }
    let (y, positions) = positions(g, x);
    Ok((y, Winners::Positions(positions)))
}

/// Adds each output's gradient to its winner.
pub(crate) fn max_backward<T: Element>(
    g: &Geometry,
    winners: &Winners,
    grad: &[T],
) -> Result<Vec<T>> {
    match (winners, single(grad)) {
        (Winners::Positions(positions), _) => Ok(add_to_winners(g, positions, grad)),
        (Winners::Places(isa, places), Some(grad)) => {
            from_single(vector::max_backward(*isa, g, places, grad))
        }
        _ => bail!("max_pool2d: a kernel for f32 was called with {:?}", T::DTYPE),
    }
}

/// The maxima, and the position of each in its plane.
fn positions<T: Element>(g: &Geometry, x: &[T]) -> (Vec<T>, Vec<u32>) {
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

fn add_to_winners<T: Element>(g: &Geometry, positions: &[u32], grad: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; g.n * g.c * g.plane_in()];
    let inputs = positions.par_chunks(g.plane_out()).zip(grad.par_chunks(g.plane_out()));
    dx.par_chunks_mut(g.plane_in()).zip(inputs).for_each(|(dx, (positions, grad))| {
        for (&position, &grad) in positions.iter().zip(grad) {
            dx[position as usize] += grad;
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
            let (y, winners) = max_forward(self.isa, &self.geometry, slice::<T>(storage, layout)?)?;
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
            let dx = read::<T, _>(grad, |g| max_backward(&self.geometry, winners, g))?;
            Ok(Some(tensor(dx, x)?))
        })
    }
}

struct AvgPool {
    geometry: Geometry,
    isa: Option<Isa>,
}

impl AvgPool {
    fn scale<T: Element>(&self) -> T {
        let (kh, kw) = self.geometry.config.kernel;
        T::from_f64(1. / (kh * kw) as f64)
    }

    /// Whether the one window is the whole plane.
    fn is_global(&self) -> bool {
        let g = &self.geometry;
        g.plane_out() == 1 && g.config.kernel == (g.h, g.w) && g.config.padding == (0, 0)
    }

    fn forward<T: Element>(&self, x: &[T]) -> Result<Vec<T>> {
        let g = &self.geometry;
        if let (Some(isa), Some(x)) = (self.isa, single(x)) {
            return from_single(match self.is_global() {
                true => vector::plane_means(isa, g.plane_in(), x),
                false => vector::mean_forward(isa, g, x),
            });
        }
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
        Ok(y)
    }

    fn backward<T: Element>(&self, grad: &[T]) -> Result<Vec<T>> {
        let g = &self.geometry;
        if let (Some(isa), Some(grad)) = (self.isa, single(grad)) {
            return from_single(match self.is_global() {
                true => vector::spread_means(g.plane_in(), grad),
                false => vector::mean_backward(isa, g, grad),
            });
        }
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
        Ok(dx)
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let y = self.forward(slice::<T>(storage, layout)?)?;
            Ok((T::to_cpu_storage_owned(y), self.geometry.output_shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            Ok(Some(tensor(read::<T, _>(grad, |g| self.backward(g))?, x)?))
        })
    }
}
