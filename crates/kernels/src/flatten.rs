//! Planes to rows.

use crate::element::{Element, map};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation};
use candle_core::{Result, Shape, Tensor, bail};

/// All dimensions but the first as one.
///
/// # Shapes
///
/// (n, …) to (n, the product of the others).
///
/// # Errors
///
/// If there is no second dimension.
pub fn flatten(x: &Tensor) -> Result<Tensor> {
    let &[n, ref rest @ ..] = x.dims() else { bail!("flatten: expected a batch, found a scalar") };
    if rest.is_empty() {
        bail!("flatten: expected a rank of 2 or more, found shape {:?}", x.dims())
    }
    let shape = Shape::from((n, rest.iter().product::<usize>()));
    match resolve(x) {
        // A view costs nothing where nobody asks for its gradient; for one, a copy costs less than its way by the tape.
        chosen if chosen != Implementation::Composed && x.track_op() => {
            operation::apply(Flatten, [x], shape)
        }
        _ => x.reshape(shape),
    }
}

struct Flatten;

impl Operation<1> for Flatten {
    type Saved = ();
    const PASSES_GRADIENT_ON: bool = true;

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, ())> {
        Ok((map(x, |x| x), ()))
    }
}

#[cfg(test)]
mod tests {
    use super::flatten;
    use crate::check::{assert_error, check_gradients, check_implementations, normal};
    use crate::element::CHUNK;

    #[test]
    fn all_implementations_agree() {
        // The last in three tasks.
        for shape in [&[1, 1][..], &[0, 3, 2], &[3, 5], &[2, 7, CHUNK / 7 + 5]] {
            let inputs = [normal(1, shape)];
            check_implementations(&format!("{shape:?}"), 1e-6, &inputs, |t| flatten(&t[0]));
        }
        check_gradients("flatten", &[normal(1, &[2, 3, 4])], |t| flatten(&t[0]));
    }

    #[test]
    fn what_has_no_second_dimension_is_an_error() {
        assert_error(|| flatten(&normal(1, &[3])), &["rank of 2", "[3]"]);
        assert_error(|| flatten(&normal(1, &[])), &["scalar"]);
    }
}
