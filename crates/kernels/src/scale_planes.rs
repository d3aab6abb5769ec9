//! Each plane times a number of its own.

use crate::element::Element;
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::scratch::UninitVec;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Numbers that one task takes at least.
const NUMBERS_PER_TASK: usize = 1 << 14;

/// `y[n, c, ...] = x[n, c, ...] * factors[n, c]`, as squeeze-and-excitation does it.
///
/// # Shapes
///
/// `x` (n, c, ...), `factors` (n, c), or with further dimensions of 1: the result is of `x`'s.
///
/// # Errors
///
/// If a shape is wrong, or the element type is not a floating-point one.
pub fn scale_planes(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let (rank, planes) = (x.rank(), x.dims().iter().take(2).product::<usize>());
    let fits =
        factors.rank() >= 2 && factors.dims().iter().zip(x.dims()).take(2).all(|(a, b)| a == b);
    if rank < 2 || !fits || factors.elem_count() != planes {
        bail!(
            "scale_planes: expected an input (n, c, ...) and factors (n, c), found {:?} and {:?}",
            x.dims(),
            factors.dims()
        )
    }
    if resolve(x) == Implementation::Composed {
        let mut dims = vec![1; rank];
        dims[..2].copy_from_slice(&x.dims()[..2]);
        return x.broadcast_mul(&factors.reshape(dims)?);
    }
    let inner = x.dims()[2..].iter().product();
    operation::apply(ScalePlanes { inner }, [x, factors], x.shape())
}

struct ScalePlanes {
    /// Numbers of a plane.
    inner: usize,
}

impl ScalePlanes {
    fn multiply<T: Element>(&self, x: &[T], factors: &[T]) -> Vec<T> {
        let inner = self.inner.max(1);
        let mut y = UninitVec::<T>::new(x.len());
        let planes = y.pieces(inner).zip(x.par_chunks(inner)).zip(factors);
        planes.with_min_len(NUMBERS_PER_TASK.div_ceil(inner)).for_each(|((y, x), &factor)| {
            for (y, &x) in y.iter_mut().zip(x) {
                y.write(x * factor);
            }
        });
        // SAFETY: the planes of `x` and of the output are the same, and each has a factor.
        unsafe { y.finish() }
    }
}

impl Operation<2> for ScalePlanes {
    type Saved = ();

    fn forward<T: Element>(&self, [x, factors]: [&[T]; 2]) -> Result<(Vec<T>, ())> {
        Ok((self.multiply(x, factors), ()))
    }

    fn backward<T: Element>(
        &self,
        [x, factors]: [&[T]; 2],
        Output { grad, .. }: Output<T, ()>,
        [want_x, want_factors]: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let inner = self.inner.max(1);
        let sum = |(x, grad): (&[T], &[T])| {
            let terms = x.iter().zip(grad).map(|(x, grad)| x.to_f64() * grad.to_f64());
            T::from_f64(terms.sum())
        };
        let sums = || {
            let planes = x.par_chunks(inner).zip(grad.par_chunks(inner));
            let found: Vec<T> =
                planes.with_min_len(NUMBERS_PER_TASK.div_ceil(inner)).map(sum).collect();
            // Of planes without pixels there is nothing to sum.
            if self.inner == 0 { vec![T::ZERO; factors.len()] } else { found }
        };
        Ok([want_x.then(|| self.multiply(grad, factors)), want_factors.then(sums)])
    }
}

#[cfg(test)]
mod tests {
    use super::{NUMBERS_PER_TASK, scale_planes};
    use crate::check::{assert_error, check_gradients, check_implementations, normal};

    #[test]
    fn all_implementations_agree() {
        // The last ones in several tasks, one of them of many planes.
        let many = NUMBERS_PER_TASK / 4 + 3;
        for shape in
            [&[1, 1][..], &[3, 5], &[2, 3, 4, 5], &[2, 2, NUMBERS_PER_TASK + 7], &[3, many, 2, 2]]
        {
            for factors in [vec![shape[0], shape[1]], vec![shape[0], shape[1], 1, 1]] {
                let inputs = [normal(1, shape), normal(2, &factors)];
                check_implementations(&format!("{shape:?}"), 1e-6, &inputs, |t| {
                    scale_planes(&t[0], &t[1])
                });
            }
        }
        let inputs = [normal(1, &[2, 3, 4, 5]), normal(2, &[2, 3])];
        check_gradients("scaled", &inputs, |t| scale_planes(&t[0], &t[1]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_an_error_that_names_them() {
        for (x, factors) in [(&[2, 3, 4][..], &[3][..]), (&[2, 3], &[2, 4]), (&[2], &[2, 1])] {
            assert_error(
                || scale_planes(&normal(1, x), &normal(2, factors)),
                &["scale_planes", &format!("{x:?}"), &format!("{factors:?}")],
            );
        }
        assert_error(
            || scale_planes(&normal(1, &[2, 3, 4, 4]), &normal(2, &[2, 3, 1, 4])),
            &["factors (n, c)", "[2, 3, 1, 4]"],
        );
    }
}
