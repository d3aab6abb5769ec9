//! Batch normalization, a channel at a time: one task sums a whole channel in a fixed order.

use crate::element::{Element, dispatch, from_single, read, single, slice, tensor};
use crate::norm::BatchNormTrain;
use crate::norm::vector::{
    self,
    batch::{Affine, Dims, Sums, channel_sums},
};
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

pub(in crate::norm) fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    isa: Option<Isa>,
) -> Result<BatchNormTrain> {
    let batch = Arc::new(OnceLock::new());
    let op = BatchNorm { eps, isa, fixed: None, batch: batch.clone() };
    let output = x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?;
    let Some(Statistics { mean, variance }) = batch.get() else {
        bail!("batch_norm_train: the forward pass left no statistics")
    };
    let vector = |v: &[f64]| Tensor::from_slice(v, v.len(), x.device())?.to_dtype(x.dtype());
    Ok(BatchNormTrain { output, mean: vector(mean)?, variance: vector(variance)? })
}

pub(in crate::norm) fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
    eps: f64,
    isa: Option<Isa>,
) -> Result<Tensor> {
    let vector = |v: &Tensor| v.to_dtype(DType::F64)?.to_vec1::<f64>();
    let fixed = Some(Statistics { mean: vector(mean)?, variance: vector(variance)? });
    let op = BatchNorm { eps, isa, fixed, batch: Arc::default() };
    x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)
}

struct Statistics {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

struct BatchNorm {
    eps: f64,
    /// For planes in vectors.
    isa: Option<Isa>,
    /// The statistics to use; without them, those of the batch.
    fixed: Option<Statistics>,
    batch: Arc<OnceLock<Statistics>>,
}

impl Dims {
    fn new(dims: &[usize]) -> Self {
        Self { n: dims[0], c: dims[1], inner: dims[2..].iter().product() }
    }

    /// The pieces of channel `c`, one an image.
    fn channel<T>(self, x: &[T], c: usize) -> impl Iterator<Item = &[T]> {
        (0..self.n).map(move |n| &x[(n * self.c + c) * self.inner..][..self.inner])
    }

    fn count(self) -> f64 {
        (self.n * self.inner) as f64
    }
}

fn statistics<T: Element>(dims: Dims, x: &[T]) -> Statistics {
    let (mean, variance) = (0..dims.c)
        .into_par_iter()
        .map(|c| {
            let sum: f64 = dims.channel(x, c).flatten().map(|x| x.to_f64()).sum();
            let mean = sum / dims.count();
            let squares = dims.channel(x, c).flatten().map(|x| (x.to_f64() - mean).powi(2));
            (mean, squares.sum::<f64>() / dims.count())
        })
        .unzip();
    Statistics { mean, variance }
}

impl BatchNorm {
    fn statistics(&self) -> Result<&Statistics> {
        match self.fixed.as_ref().or_else(|| self.batch.get()) {
            Some(statistics) => Ok(statistics),
            None => bail!("batch_norm: backward called before forward"),
        }
    }

    fn forward<T: Element>(&self, dims: Dims, x: &[T], gamma: &[T], beta: &[T]) -> Result<Vec<T>> {
        let isa = self.isa.filter(|_| dims.inner >= Dims::LEAST);
        if let (Some(isa), Some(x)) = (isa, single(x)) {
            let number = |v: &[T]| v.iter().map(|v| v.to_f64()).collect::<Vec<_>>();
            return from_single(self.vector_forward(
                isa,
                dims,
                x,
                &number(gamma),
                &number(beta),
            )?);
        }
        if self.fixed.is_none() {
            self.batch.get_or_init(|| statistics(dims, x));
        }
        let s = self.statistics()?;
        let mut y = vec![T::ZERO; x.len()];
        let planes = y.par_chunks_mut(dims.inner.max(1)).zip(x.par_chunks(dims.inner.max(1)));
        planes.enumerate().with_min_len(8).for_each(|(plane, (y, x))| {
            let c = plane % dims.c;
            let scale = gamma[c].to_f64() / (s.variance[c] + self.eps).sqrt();
            let (mean, beta) = (s.mean[c], beta[c].to_f64());
            for (y, &x) in y.iter_mut().zip(x) {
                *y = T::from_f64((x.to_f64() - mean) * scale + beta);
            }
        });
        Ok(y)
    }

    /// The gradients of x, gamma and beta.
    fn backward<T: Element>(
        &self,
        dims: Dims,
        x: &[T],
        gamma: &[T],
        grad: &[T],
    ) -> Result<(Vec<T>, Vec<T>, Vec<T>)> {
        let isa = self.isa.filter(|_| dims.inner >= Dims::LEAST);
        if let (Some(isa), Some(x), Some(grad)) = (isa, single(x), single(grad)) {
            let gamma: Vec<f64> = gamma.iter().map(|v| v.to_f64()).collect();
            let [dx, dw, db] = self.vector_backward(isa, dims, x, &gamma, grad)?;
            return Ok((from_single(dx)?, from_single(dw)?, from_single(db)?));
        }
        let s = self.statistics()?;
        // Of each channel: 1 / standard deviation, sum of the gradient, and sum of the gradient
        // times the normalized input.
        let sums: Vec<(f64, f64, f64)> = (0..dims.c)
            .into_par_iter()
            .map(|c| {
                let inverse = (s.variance[c] + self.eps).sqrt().recip();
                let (mut sum, mut product) = (0., 0.);
                for (x, g) in dims.channel(x, c).zip(dims.channel(grad, c)) {
                    for (x, g) in x.iter().zip(g) {
                        sum += g.to_f64();
                        product += g.to_f64() * (x.to_f64() - s.mean[c]) * inverse;
                    }
                }
                (inverse, sum, product)
            })
            .collect();
        let mut dx = vec![T::ZERO; x.len()];
        let inputs = x.par_chunks(dims.inner.max(1)).zip(grad.par_chunks(dims.inner.max(1)));
        let planes = dx.par_chunks_mut(dims.inner.max(1)).zip(inputs);
        planes.enumerate().with_min_len(8).for_each(|(plane, (dx, (x, g)))| {
            let c = plane % dims.c;
            let (inverse, sum, product) = sums[c];
            // Where the statistics are the batch's own, they move with x.
            let (shift, slope) = match self.fixed {
                Some(_) => (0., 0.),
                None => (sum / dims.count(), product * inverse / dims.count()),
            };
            let scale = gamma[c].to_f64() * inverse;
            for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
                let centered = x.to_f64() - s.mean[c];
                *dx = T::from_f64(scale * (g.to_f64() - shift - centered * slope));
            }
        });
        let d_gamma = sums.iter().map(|s| T::from_f64(s.2)).collect();
        let d_beta = sums.iter().map(|s| T::from_f64(s.1)).collect();
        Ok((dx, d_gamma, d_beta))
    }
}

impl BatchNorm {
    fn vector_forward(
        &self,
        isa: Isa,
        dims: Dims,
        x: &[f32],
        gamma: &[f64],
        beta: &[f64],
    ) -> Result<Vec<f32>> {
        if self.fixed.is_none() {
            self.batch.get_or_init(|| vector_statistics(isa, dims, x));
        }
        let s = self.statistics()?;
        let channels: Vec<Affine> = (0..dims.c)
            .map(|c| Affine {
                x: (gamma[c] / (s.variance[c] + self.eps).sqrt()) as f32,
                center: s.mean[c] as f32,
                y: 0.,
                offset: beta[c] as f32,
            })
            .collect();
        Ok(vector::batch::affine(isa, dims, x, x, &channels))
    }

    /// The gradients of x, gamma and beta.
    fn vector_backward(
        &self,
        isa: Isa,
        dims: Dims,
        x: &[f32],
        gamma: &[f64],
        grad: &[f32],
    ) -> Result<[Vec<f32>; 3]> {
        let s = self.statistics()?;
        let sums = channel_sums(isa, dims, x, grad, |c| s.mean[c], Sums::Gradients);
        let inverse = |c: usize| (s.variance[c] + self.eps).sqrt().recip();
        let channels: Vec<Affine> = (0..dims.c)
            .map(|c| {
                let scale = gamma[c] * inverse(c);
                let [sum, product] = sums[c].map(|sum| sum / dims.count());
                let (slope, shift) = match self.fixed {
                    Some(_) => (0., 0.),
                    None => (-scale * product * inverse(c).powi(2), -scale * sum),
                };
                Affine {
                    x: slope as f32,
                    center: s.mean[c] as f32,
                    y: scale as f32,
                    offset: shift as f32,
                }
            })
            .collect();
        let dx = vector::batch::affine(isa, dims, x, grad, &channels);
        let d_gamma = (0..dims.c).map(|c| (sums[c][1] * inverse(c)) as f32).collect();
        let d_beta = sums.iter().map(|sums| sums[0] as f32).collect();
        Ok([dx, d_gamma, d_beta])
    }
}

/// Mean and variance, from the moments around a first guess of the mean.
fn vector_statistics(isa: Isa, dims: Dims, x: &[f32]) -> Statistics {
    let zero = channel_sums(isa, dims, x, x, |_| 0., Sums::Moments);
    let guess: Vec<f64> = zero.iter().map(|sums| sums[0] / dims.count()).collect();
    let around = channel_sums(isa, dims, x, x, |c| guess[c], Sums::Moments);
    // The guess is rounded to f32 before it is subtracted, so the mean of the rest is not zero.
    let rest = |c: usize| around[c][0] / dims.count();
    Statistics {
        mean: (0..dims.c).map(|c| f64::from(guess[c] as f32) + rest(c)).collect(),
        variance: (0..dims.c)
            .map(|c| (around[c][1] / dims.count() - rest(c).powi(2)).max(0.))
            .collect(),
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        if self.fixed.is_some() { "batch_norm_eval" } else { "batch_norm_train" }
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
            let dims = Dims::new(layout.dims());
            let y = self.forward(dims, slice::<T>(x, layout)?, gamma, beta)?;
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
            let dims = Dims::new(x.dims());
            let (dx, d_gamma, d_beta) = read::<T, _>(x, |x| {
                read::<T, _>(gamma, |w| read::<T, _>(grad, |g| self.backward(dims, x, w, g)))
            })?;
            let d_gamma = tensor(d_gamma, gamma)?;
            Ok((Some(tensor(dx, x)?), Some(d_gamma), Some(tensor(d_beta, beta)?)))
        })
    }
}
