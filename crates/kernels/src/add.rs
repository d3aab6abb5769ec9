//! The sum of two tensors.

use crate::element::{Element, dispatch, map2, read_all, slice, tensor};
use crate::path::{Path, resolve};
use crate::relay;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// `a + b`, of one shape, as where two paths of a net meet.
///
/// # Errors
///
/// If the shapes differ, or the element type is not a floating-point one.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape() != b.shape() {
        bail!("add: expected tensors of one shape, found {:?} and {:?}", a.dims(), b.dims())
    }
    match resolve(a) {
        Path::Composed => a + b,
        _ => relay::apply_op2(&a.contiguous()?, &b.contiguous()?, Add),
    }
}

/// [`add`] for tensors of the CPU, without a place on the tape.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    dispatch!(a.dtype(), "add", T => {
        read_all::<T, _, 2>([a, b], |[x, y]| tensor(map2(x, y, |x, y| x + y), a))
    })
}

struct Add;

impl Add {
    fn forward<T: Element>(a: &[T], b: &[T]) -> CpuStorage {
        T::to_cpu_storage_owned(map2(a, b, |a, b| a + b))
    }
}

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = dispatch!(a.dtype(), "add", T => {
            Self::forward::<T>(slice(a, a_layout)?, slice(b, b_layout)?)
        });
        Ok((y, a_layout.shape().clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let wanted = |x: &Tensor| x.track_op().then(|| gradient.clone());
        Ok((wanted(a), wanted(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::add;
    use crate::check::{assert_error, check_gradients, check_paths, normal};

    #[test]
    fn all_paths_agree() {
        for shape in [&[1][..], &[3, 5], &[2, 3, 70, 41]] {
            let inputs = [normal(1, shape), normal(2, shape)];
            check_paths(&format!("{shape:?}"), 1e-6, &inputs, |t| add(&t[0], &t[1]));
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
