//! The sum of two tensors.

use crate::element::{Element, map2};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation};
use candle_core::{Result, Tensor, bail};

/// `a + b`, of one shape, as where two branches of a net meet.
///
/// # Errors
///
/// If the shapes differ, or the element type is not a floating-point one.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape() != b.shape() {
        bail!("add: expected tensors of one shape, found {:?} and {:?}", a.dims(), b.dims())
    }
    match resolve(a) {
        Implementation::Composed => a + b,
        _ => operation::apply(Add, [a, b], a.shape()),
    }
}

struct Add;

impl Operation<2> for Add {
    type Saved = ();
    const PASSES_GRADIENT_ON: bool = true;

    fn forward<T: Element>(&self, [a, b]: [&[T]; 2]) -> Result<(Vec<T>, ())> {
        Ok((map2(a, b, |a, b| a + b), ()))
    }
}

#[cfg(test)]
mod tests {
    use super::add;
    use crate::check::{assert_error, check_gradients, check_implementations, normal};
    use crate::element::CHUNK;

    #[test]
    fn all_implementations_agree() {
        // The last in three tasks.
        for shape in [&[1][..], &[3, 5], &[2, CHUNK + 7]] {
            let inputs = [normal(1, shape), normal(2, shape)];
            check_implementations(&format!("{shape:?}"), 1e-6, &inputs, |t| add(&t[0], &t[1]));
        }
        let inputs = [normal(1, &[3, 5]), normal(2, &[3, 5])];
        check_gradients("sum", &inputs, |t| add(&t[0], &t[1]));
        check_gradients("double", &inputs[..1], |t| add(&t[0], &t[0]));
    }

    #[test]
    fn shapes_that_differ_are_an_error_that_names_them() {
        assert_error(
            || add(&normal(1, &[2, 3]), &normal(1, &[3])),
            &["one shape", "[2, 3]", "[3]"],
        );
    }
}
