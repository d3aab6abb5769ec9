//! The fully connected layer's product.

mod op;

use crate::path::{Path, resolve};
use candle_core::{Result, Tensor, bail};

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
    match resolve(x) {
        Path::Naive | Path::Composed => {
            let rows: usize = leading.iter().product();
            let y = composed(&x.reshape((rows, inner))?, weight, bias, relu)?;
            y.reshape([leading, &[out]].concat())
        }
        // Without reshaping: on candle's tape each view costs two passes over its gradient.
        path => op::apply(x, weight, bias, relu, path.isa()),
    }
}

/// From candle's own operations; their products are good enough to serve as the naive path.
fn composed(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    let y = x.matmul(&weight.contiguous()?.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    if relu { crate::relu(&y) } else { Ok(y) }
}

#[cfg(test)]
mod tests {
    use super::{linear, linear_relu};
    use crate::check::{assert_error, check_gradients, check_paths, normal};
    use candle_core::Tensor;

    #[test]
    fn all_paths_agree() {
        for leading in [&[][..], &[1], &[5], &[2, 3], &[2, 3, 4]] {
            for (inner, out) in [(1, 1), (7, 3), (33, 20)] {
                let x = normal(1, &[leading, &[inner]].concat());
                let inputs = [x, normal(2, &[out, inner]), normal(3, &[out])];
                let with_bias = |t: &[Tensor]| linear(&t[0], &t[1], Some(&t[2]));
                check_paths(&format!("{leading:?} {inner} {out}"), 1e-5, &inputs, with_bias);
                check_gradients(&format!("{leading:?} {inner} {out}"), &inputs, with_bias);
                let relu = |t: &[Tensor]| linear_relu(&t[0], &t[1], Some(&t[2]));
                check_paths(&format!("{leading:?} {inner} {out} relu"), 1e-5, &inputs, relu);
                check_gradients(&format!("{leading:?} {inner} {out} relu"), &inputs, relu);
                let without = |t: &[Tensor]| linear(&t[0], &t[1], None);
                check_paths(&format!("{leading:?} {inner} {out}"), 1e-5, &inputs[..2], without);
            }
        }
    }

    #[test]
    fn a_shape_that_cannot_be_is_an_error_that_says_why() {
        let (x, w, b) = (normal(1, &[2, 3]), normal(2, &[4, 5]), normal(3, &[3]));
        assert_error(|| linear(&x, &w, None), &["linear", "expects 5 features", "has 3"]);
        assert_error(|| linear(&x, &b, None), &["weight of rank 2", "[3]"]);
        let w = normal(2, &[4, 3]);
        assert_error(|| linear(&x, &w, Some(&b)), &["bias of shape [4]", "[3]"]);
        let scalar = normal(1, &[]);
        assert_error(|| linear(&scalar, &w, None), &["rank 1 or more"]);
    }
}
