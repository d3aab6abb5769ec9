//! Softmax row by row; sums are taken in `f64`.

use super::vector::{self, Row};
use crate::element::{Element, dispatch, from_single, read_all, single, slice, tensor};
use crate::path::Path;
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

pub(super) fn softmax(x: &Tensor, path: Path) -> Result<Tensor> {
    relay::apply_op1(&x.contiguous()?, Softmax { isa: path.vectors() })
}

pub(super) fn log_softmax(x: &Tensor, path: Path) -> Result<Tensor> {
    relay::apply_op1(&x.contiguous()?, LogSoftmax { isa: path.vectors() })
}

/// Rows in vectors, if there is an instruction set and the elements are `f32`.
fn vectors<T: Element>(isa: Option<Isa>, k: usize, x: &[T], row: Row) -> Option<Result<Vec<T>>> {
    Some(from_single(vector::rows(isa?, k, single(x)?, row)))
}

pub(super) fn softmax_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    relay::apply_op2(&logits.contiguous()?, &targets.contiguous()?, CrossEntropy)
}

/// Applies `f` to each row of the output with the same row of both inputs.
fn rows<T: Element>(k: usize, a: &[T], b: &[T], f: impl Fn(&mut [T], &[T], &[T]) + Sync) -> Vec<T> {
    let mut out = vec![T::ZERO; a.len()];
    let inputs = a.par_chunks(k).zip(b.par_chunks(k));
    out.par_chunks_mut(k).zip(inputs).with_min_len(16).for_each(|(out, (a, b))| f(out, a, b));
    out
}

fn row_length(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(1)
}

/// The largest element and the logarithm of the sum of exponentials, less that element.
fn log_sum_exp<T: Element>(x: &[T]) -> (T, f64) {
    let mut max = x[0];
    for &v in x {
        if v > max {
            max = v;
        }
    }
    let sum: f64 = x.iter().map(|&v| (v - max).exp().to_f64()).sum();
    (max, sum.ln())
}

fn softmax_row<T: Element>(p: &mut [T], x: &[T]) {
    let (max, log_sum) = log_sum_exp(x);
    let scale = T::from_f64((-log_sum).exp());
    for (p, &x) in p.iter_mut().zip(x) {
        *p = (x - max).exp() * scale;
    }
}

fn log_softmax_row<T: Element>(y: &mut [T], x: &[T]) {
    let (max, log_sum) = log_sum_exp(x);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (x - max) - T::from_f64(log_sum);
    }
}

struct Softmax {
    isa: Option<Isa>,
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let x = slice::<T>(storage, layout)?;
            let k = row_length(layout);
            let p = match vectors(self.isa, k, x, Row::Softmax) {
                Some(p) => p?,
                None => rows(k, x, x, |p, x, _| softmax_row(p, x)),
            };
            Ok((T::to_cpu_storage_owned(p), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, p: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            let dx = read_all::<T, _, 2>([p, grad], |[p, grad]| {
                let row = single(grad).map(Row::SoftmaxGradient);
                let k = row_length(x.layout());
                if let Some(dx) = row.and_then(|row| vectors(self.isa, k, p, row)) {
                    return dx;
                }
                Ok(rows(row_length(x.layout()), p, grad, |dx, p, g| {
                    let mean: f64 = p.iter().zip(g).map(|(&p, &g)| (p * g).to_f64()).sum();
                    for ((dx, &p), &g) in dx.iter_mut().zip(p).zip(g) {
                        *dx = p * (g - T::from_f64(mean));
                    }
                }))
            })?;
            Ok(Some(tensor(dx, x)?))
        })
    }
}

struct LogSoftmax {
    isa: Option<Isa>,
}

impl CustomOp1 for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let x = slice::<T>(storage, layout)?;
            let k = row_length(layout);
            let y = match vectors(self.isa, k, x, Row::LogSoftmax) {
                Some(y) => y?,
                None => rows(k, x, x, |y, x, _| log_softmax_row(y, x)),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            let dx = read_all::<T, _, 2>([y, grad], |[y, grad]| {
                let row = single(grad).map(Row::LogSoftmaxGradient);
                let k = row_length(x.layout());
                if let Some(dx) = row.and_then(|row| vectors(self.isa, k, y, row)) {
                    return dx;
                }
                Ok(rows(row_length(x.layout()), y, grad, |dx, y, g| {
                    let sum: f64 = g.iter().map(|g| g.to_f64()).sum();
                    for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
                        *dx = g - y.exp() * T::from_f64(sum);
                    }
                }))
            })?;
            Ok(Some(tensor(dx, x)?))
        })
    }
}

struct CrossEntropy;

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        layout: &Layout,
        targets: &CpuStorage,
        targets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(logits.dtype(), self.name(), T => {
            let (x, t) = (slice::<T>(logits, layout)?, slice::<T>(targets, targets_layout)?);
            let k = row_length(layout);
            let losses: Vec<T> = x.par_chunks(k).zip(t.par_chunks(k)).with_min_len(16)
                .map(|(x, t)| {
                    let (max, log_sum) = log_sum_exp(x);
                    let terms = x.iter().zip(t);
                    let sum: f64 =
                        terms.map(|(&x, &t)| t.to_f64() * (log_sum - (x - max).to_f64())).sum();
                    T::from_f64(sum)
                })
                .collect();
            let shape = losses.len().into();
            Ok((T::to_cpu_storage_owned(losses), shape))
        })
    }

    fn bwd(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        dispatch!(logits.dtype(), self.name(), T => {
            read_all::<T, _, 3>([logits, targets, grad], |[x, t, grad]| {
                let k = row_length(logits.layout());
                let mut d_logits = rows(k, x, t, |d, x, t| {
                    softmax_row(d, x);
                    let sum: f64 = t.iter().map(|t| t.to_f64()).sum();
                    for (d, &t) in d.iter_mut().zip(t) {
                        *d = *d * T::from_f64(sum) - t;
                    }
                });
                scale_rows(&mut d_logits, k, grad, T::ONE);
                // None is a fault for a tracked argument alone; targets are usually constants.
                let d_targets = if targets.track_op() {
                    let mut d = rows(k, x, t, |d, x, _| log_softmax_row(d, x));
                    scale_rows(&mut d, k, grad, -T::ONE);
                    Some(tensor(d, targets)?)
                } else {
                    None
                };
                Ok((Some(tensor(d_logits, logits)?), d_targets))
            })
        })
    }
}

fn scale_rows<T: Element>(rows: &mut [T], k: usize, factors: &[T], sign: T) {
    rows.par_chunks_mut(k).zip(factors).with_min_len(16).for_each(|(row, &factor)| {
        for v in row {
            *v *= sign * factor;
        }
    });
}
