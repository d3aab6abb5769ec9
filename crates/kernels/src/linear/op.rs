//! The product with bias and ReLU as an operation on candle's tape.

use crate::element::{Element, dispatch, from_single, read_all, single, slice, tensor};
use crate::gemm::{Finish, Matrix, multiply, product};
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::borrow::Cow;

/// `x` is (..., in), of any rank.
pub(super) fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    relu: bool,
    isa: Isa,
) -> Result<Tensor> {
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => relay::apply_op3(&x, &weight, &bias.contiguous()?, Linear { relu, isa }),
        None => relay::apply_op2(&x, &weight, Linear { relu, isa }),
    }
}

struct Linear {
    relu: bool,
    isa: Isa,
}

/// The rows of a tensor, all dimensions but the last, and its shape with `out` features a row.
fn rows(shape: &Shape, out: usize) -> (usize, Shape) {
    let leading = shape.dims().split_last().map_or(&[][..], |(_, leading)| leading);
    (leading.iter().product(), [leading, &[out]].concat().into())
}

/// Rows whose gradients of the bias one task adds up.
const ROWS: usize = 64;

impl Linear {
    fn forward<T: Element>(
        &self,
        (x, x_layout): (&CpuStorage, &Layout),
        (w, w_layout): (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let (out, inner) = w_layout.shape().dims2()?;
        let (rows, shape) = rows(x_layout.shape(), out);
        let (x, w) = (slice::<T>(x, x_layout)?, slice::<T>(w, w_layout)?);
        let bias = bias.map(|(b, layout)| slice::<T>(b, layout)).transpose()?;
        let finish = |bias| Finish { column_bias: bias, relu: self.relu, ..Finish::default() };
        if let (Some(x_data), Some(w_data)) = (single(x), single(w)) {
            let (x, w) = (Matrix::new(x_data, rows, inner), Matrix::new(w_data, out, inner));
            let bias = bias.and_then(single);
            let y = multiply(self.isa, x, w.transposed(), finish(bias));
            return Ok((T::to_cpu_storage_owned(from_single(y)?), shape));
        }
        let (x, w) = (Matrix::new(x, rows, inner), Matrix::new(w, out, inner));
        let mut y = product(x, w.transposed());
        if self.relu || bias.is_some() {
            y.par_chunks_mut(out.max(1)).with_min_len(16).for_each(|row| {
                for (o, y) in row.iter_mut().enumerate() {
                    *y += bias.map_or(T::ZERO, |bias| bias[o]);
                    if self.relu && *y <= T::ZERO {
                        *y = T::ZERO;
                    }
                }
            });
        }
        Ok((T::to_cpu_storage_owned(y), shape))
    }

    fn backward(
        &self,
        arguments: [Option<&Tensor>; 3],
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let [Some(x), Some(w), bias] = arguments else {
            bail!("linear: backward called without arguments")
        };
        dispatch!(x.dtype(), "linear", T => {
            read_all::<T, _, 4>([x, w, y, grad], |[x_data, w_data, y_data, grad]| {
                let grad = self.inner_gradient(y_data, grad);
                let (out, inner) = w.dims2()?;
                let (rows, _) = rows(x.shape(), out);
                let g = Matrix::new(&grad, rows, out);
                let dx = || self.multiply(g, Matrix::new(w_data, out, inner));
                let dw = || self.multiply(g.transposed(), Matrix::new(x_data, rows, inner));
                let wanted = |t: Option<&Tensor>, f: &dyn Fn() -> Result<Vec<T>>| match t {
                    Some(t) if t.track_op() => Ok(Some(tensor(f()?, t)?)),
                    _ => Ok::<_, candle_core::Error>(None),
                };
                let db = || Ok(column_sums(&grad, out));
                Ok([wanted(Some(x), &dx)?, wanted(Some(w), &dw)?, wanted(bias, &db)?])
            })
        })
    }

    fn multiply<T: Element>(&self, a: Matrix<T>, b: Matrix<T>) -> Result<Vec<T>> {
        match (a.single(), b.single()) {
            (Some(a), Some(b)) => from_single(multiply(self.isa, a, b, Finish::default())),
            _ => Ok(product(a, b)),
        }
    }

    fn inner_gradient<'a, T: Element>(&self, y: &[T], grad: &'a [T]) -> Cow<'a, [T]> {
        if !self.relu {
            return Cow::Borrowed(grad);
        }
        let pairs = y.par_iter().zip(grad).with_min_len(1 << 12);
        Cow::Owned(pairs.map(|(&y, &g)| if y <= T::ZERO { T::ZERO } else { g }).collect())
    }
}

/// Sums of the columns: blocks of rows in parallel, the blocks in order.
fn column_sums<T: Element>(x: &[T], columns: usize) -> Vec<T> {
    let mut total = vec![T::ZERO; columns];
    if columns == 0 {
        return total;
    }
    let partials: Vec<Vec<T>> = x
        .par_chunks(ROWS * columns)
        .map(|block| {
            let mut sums = vec![T::ZERO; columns];
            for row in block.chunks(columns) {
                for (sum, &x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
            sums
        })
        .collect();
    for partial in partials {
        for (total, sum) in total.iter_mut().zip(partial) {
            *total += sum;
        }
    }
    total
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(x.dtype(), "linear", T => self.forward::<T>((x, x_layout), (w, w_layout), None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = self.backward([Some(x), Some(weight), None], y, grad)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        dispatch!(x.dtype(), "linear", T => {
            self.forward::<T>((x, x_layout), (w, w_layout), Some((b, b_layout)))
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
        let [dx, dw, db] = self.backward([Some(x), Some(weight), Some(bias)], y, grad)?;
        Ok((dx, dw, db))
    }
}
