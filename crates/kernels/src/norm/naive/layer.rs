//! Layer normalization, a row at a time.

use crate::element::{Element, dispatch, from_single, read_all, single, slice, tensor};
use crate::norm::vector;
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

pub(in crate::norm) fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    isa: Option<Isa>,
) -> Result<Tensor> {
    relay::apply_op3(
        &x.contiguous()?,
        &gamma.contiguous()?,
        &beta.contiguous()?,
        LayerNorm { eps, isa },
    )
}

struct LayerNorm {
    eps: f64,
    /// For rows in vectors.
    isa: Option<Isa>,
}

/// Rows whose gradients of gamma and beta one task adds up; the tasks' sums are added in order.
const ROWS: usize = 64;

impl LayerNorm {
    /// Mean and 1 / standard deviation of a row.
    fn statistics<T: Element>(&self, x: &[T]) -> (f64, f64) {
        let count = x.len() as f64;
        let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / count;
        let variance = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / count;
        (mean, (variance + self.eps).sqrt().recip())
    }

    fn forward<T: Element>(&self, x: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
        let k = gamma.len();
        let mut y = vec![T::ZERO; x.len()];
        y.par_chunks_mut(k).zip(x.par_chunks(k)).with_min_len(8).for_each(|(y, x)| {
            let (mean, inverse) = self.statistics(x);
            for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                let normalized = (x.to_f64() - mean) * inverse;
                *y = T::from_f64(normalized * gamma.to_f64() + beta.to_f64());
            }
        });
        y
    }

    /// The gradients of x, gamma and beta.
    fn backward<T: Element>(&self, x: &[T], gamma: &[T], grad: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let k = gamma.len();
        let mut dx = vec![T::ZERO; x.len()];
        let inputs = x.par_chunks(ROWS * k).zip(grad.par_chunks(ROWS * k));
        let partials: Vec<Vec<f64>> = dx
            .par_chunks_mut(ROWS * k)
            .zip(inputs)
            .map(|(dx, (x, grad))| {
                let mut sums = vec![0.; 2 * k];
                for ((dx, x), grad) in dx.chunks_mut(k).zip(x.chunks(k)).zip(grad.chunks(k)) {
                    self.backward_row(dx, x, gamma, grad, &mut sums);
                }
                sums
            })
            .collect();
        let mut sums = vec![0.; 2 * k];
        for partial in partials {
            for (sum, partial) in sums.iter_mut().zip(partial) {
                *sum += partial;
            }
        }
        let cast = |sums: &[f64]| sums.iter().map(|&s| T::from_f64(s)).collect();
        (dx, cast(&sums[..k]), cast(&sums[k..]))
    }

    fn backward_row<T: Element>(
        &self,
        dx: &mut [T],
        x: &[T],
        gamma: &[T],
        grad: &[T],
        sums: &mut [f64],
    ) {
        let k = gamma.len();
        let (mean, inverse) = self.statistics(x);
        let normalized = |i: usize| (x[i].to_f64() - mean) * inverse;
        let scaled = |i: usize| grad[i].to_f64() * gamma[i].to_f64();
        let (mut sum, mut product) = (0., 0.);
        for i in 0..k {
            sum += scaled(i);
            product += scaled(i) * normalized(i);
            sums[i] += grad[i].to_f64() * normalized(i);
            sums[k + i] += grad[i].to_f64();
        }
        let (sum, product) = (sum / k as f64, product / k as f64);
        for (i, dx) in dx.iter_mut().enumerate() {
            *dx = T::from_f64(inverse * (scaled(i) - sum - normalized(i) * product));
        }
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(x.dtype(), self.name(), T => {
            let gamma = slice::<T>(gamma, gamma_layout)?;
            let beta = slice::<T>(beta, beta_layout)?;
            let x = slice::<T>(x, layout)?;
            let y = match (self.isa, single(x), single(gamma), single(beta)) {
                (Some(isa), Some(x), Some(gamma), Some(beta)) => {
                    from_single(vector::layer::forward(isa, x, gamma, beta, self.eps))?
                }
                _ => self.forward(x, gamma, beta),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        dispatch!(x.dtype(), self.name(), T => {
            let (dx, d_gamma, d_beta) = read_all::<T, _, 3>([x, gamma, grad], |[x, w, g]| {
                match (self.isa, single(x), single(w), single(g)) {
                    (Some(isa), Some(x), Some(w), Some(g)) => {
                        let [dx, dw, db] = vector::layer::backward(isa, x, w, g, self.eps);
                        Ok((from_single(dx)?, from_single(dw)?, from_single(db)?))
                    }
                    _ => Ok(self.backward(x, w, g)),
                }
            })?;
            let d_gamma = tensor(d_gamma, gamma)?;
            Ok((Some(tensor(dx, x)?), Some(d_gamma), Some(tensor(d_beta, beta)?)))
        })
    }
}
