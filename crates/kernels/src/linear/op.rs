//! The fully connected layer's product as an operation.

use super::{bias, composed};
use crate::activation::Activation;
use crate::element::{Element, as_f32, from_f32, relu_gradient};
use crate::gemm::{self, Epilogue, Matrix};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{Result, Tensor, bail};
use std::borrow::Cow;

/// Multiplies the last dimension of `x` by a matrix: `y = x wᵀ + b`.
///
/// # Shapes
///
/// `x` (..., in), `weight` (out, in), `bias` (out): the result is (..., out). The layout of the
/// weight is PyTorch's.
///
/// # Errors
///
/// If a rank is wrong or the sizes do not fit together.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(x, weight, bias, false)
}

/// [`linear`], then [`relu`](crate::relu), in one operation.
///
/// # Shapes
///
/// As [`linear`].
///
/// # Errors
///
/// As [`linear`].
pub fn linear_relu(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    apply(x, weight, bias, true)
}

fn apply(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    let &[out, inner] = weight.dims() else {
        bail!("linear: expected a weight of rank 2 (out, in), found {:?}", weight.dims())
    };
    let Some((&last, leading)) = x.dims().split_last() else {
        bail!("linear: expected an input of rank 1 or more, found a scalar")
    };
    if last != inner {
        bail!("linear: the weight expects {inner} features, the input's last dimension has {last}")
    }
    if let Some(bias) = bias
        && bias.dims() != [out]
    {
        bail!("linear: expected a bias of shape [{out}], found {:?}", bias.dims())
    }
    let rows: usize = leading.iter().product();
    let shape = [leading, &[out]].concat();
    match resolve(x) {
        Implementation::Naive | Implementation::Composed => {
            composed::linear(&x.reshape((rows, inner))?, weight, bias, relu)?.reshape(shape)
        }
        // Without reshaping: on candle's tape each view costs two passes over its gradient.
        chosen => {
            let op = Linear { rows, inner, out, relu, isa: chosen.isa() };
            match bias {
                Some(bias) => operation::apply(op, [x, weight, bias], shape),
                None => operation::apply(op, [x, weight], shape),
            }
        }
    }
}

struct Linear {
    rows: usize,
    inner: usize,
    out: usize,
    relu: bool,
    isa: Isa,
}

/// Of input and weight, or of input, weight and bias.
impl<const N: usize> Operation<N> for Linear {
    type Saved = ();

    fn forward<T: Element>(&self, inputs: [&[T]; N]) -> Result<(Vec<T>, ())> {
        let (x, w) = self.matrices(inputs);
        let (w, b) = (w.transposed(), inputs.get(2).copied());
        let y = match (x.as_f32(), w.as_f32()) {
            (Some(x), Some(w)) => {
                let column_bias = b.and_then(as_f32);
                let activation = self.relu.then_some(Activation::Relu);
                let epilogue = Epilogue { column_bias, activation, ..Epilogue::default() };
                from_f32(gemm::multiply(self.isa, x, w, epilogue))?
            }
            _ => {
                let mut y = gemm::product(x, w);
                bias::add_bias(&mut y, self.out, b, self.relu);
                y
            }
        };
        Ok((y, ()))
    }

    fn backward<T: Element>(
        &self,
        inputs: [&[T]; N],
        output: Output<T, ()>,
        wanted: [bool; N],
    ) -> Result<[Option<Vec<T>>; N]> {
        let (x, w) = self.matrices(inputs);
        let grad = match self.relu {
            true => Cow::Owned(relu_gradient(output.y, output.grad)),
            false => Cow::Borrowed(output.grad),
        };
        let g = Matrix::new(&grad, self.rows, self.out);
        let mut gradients = [const { None }; N];
        for (i, gradient) in gradients.iter_mut().enumerate().filter(|&(i, _)| wanted[i]) {
            *gradient = Some(match i {
                0 => self.multiply(g, w)?,
                1 => self.multiply(g.transposed(), x)?,
                _ => bias::column_sums(&grad, self.out),
            });
        }
        Ok(gradients)
    }
}

impl Linear {
    /// Input and weight.
    fn matrices<'a, T, const N: usize>(
        &self,
        inputs: [&'a [T]; N],
    ) -> (Matrix<'a, T>, Matrix<'a, T>) {
        let x = Matrix::new(inputs[0], self.rows, self.inner);
        (x, Matrix::new(inputs[1], self.out, self.inner))
    }

    fn multiply<T: Element>(&self, a: Matrix<T>, b: Matrix<T>) -> Result<Vec<T>> {
        match (a.as_f32(), b.as_f32()) {
            (Some(a), Some(b)) => from_f32(gemm::multiply(self.isa, a, b, Epilogue::default())),
            _ => Ok(gemm::product(a, b)),
        }
    }
}
