//! Batch normalization, a channel at a time: one task sums a whole channel in a fixed order.

use crate::element::{Element, dispatch, from_single, read_all, single, slice, tensor};
use crate::norm::BatchNormTrain;
use crate::norm::vector::batch::{self, Dims, Moments};
use crate::relay;
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
    let output = apply(x, gamma, beta, op)?;
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
    apply(x, gamma, beta, op)
}

fn apply(x: &Tensor, gamma: &Tensor, beta: &Tensor, op: BatchNorm) -> Result<Tensor> {
    relay::apply_op3(&x.contiguous()?, &gamma.contiguous()?, &beta.contiguous()?, op)
}

struct Statistics {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Statistics {
    fn moments(&self) -> Moments<'_> {
        Moments { mean: &self.mean, variance: &self.variance }
    }
}

struct BatchNorm {
    eps: f64,
    /// For kernels in vectors.
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
        let singles = (single(x), single(gamma), single(beta));
        if let (Some(isa), (Some(x), Some(gamma), Some(beta))) = (self.isa, singles) {
            let fixed = self.fixed.as_ref().map(Statistics::moments);
            let (y, mean, variance) = batch::forward(isa, dims, x, [gamma, beta], self.eps, fixed);
            if self.fixed.is_none() {
                self.batch.get_or_init(|| Statistics { mean, variance });
            }
            return from_single(y);
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
        let singles = (single(x), single(grad), single(gamma));
        if let (Some(isa), (Some(x), Some(grad), Some(gamma))) = (self.isa, singles) {
            let moments = self.statistics()?.moments();
            let own = self.fixed.is_none();
            let [dx, dw, db] = batch::backward(isa, dims, [x, grad, gamma], self.eps, moments, own);
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
            let (dx, d_gamma, d_beta) =
                read_all::<T, _, 3>([x, gamma, grad], |[x, w, g]| self.backward(dims, x, w, g))?;
            let d_gamma = tensor(d_gamma, gamma)?;
            Ok((Some(tensor(dx, x)?), Some(d_gamma), Some(tensor(d_beta, beta)?)))
        })
    }
}
