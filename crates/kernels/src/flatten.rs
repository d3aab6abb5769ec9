//! Planes to rows.

use crate::element::{Element, dispatch, map, slice};
use crate::path::{Path, resolve};
use crate::relay;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

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
        path if path != Path::Composed && x.track_op() => {
            relay::apply_op1(&x.contiguous()?, Flatten { shape })
        }
        _ => x.reshape(shape),
    }
}

struct Flatten {
    shape: Shape,
}

impl Flatten {
    fn forward<T: Element>(x: &[T]) -> CpuStorage {
        T::to_cpu_storage_owned(map(x, |x| x))
    }
}

impl CustomOp1 for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = dispatch!(x.dtype(), "flatten", T => Self::forward::<T>(slice(x, layout)?));
        Ok((y, self.shape.clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.reshape(x.shape()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::flatten;
    use crate::check::{assert_error, check_gradients, check_paths, normal};

    #[test]
    fn all_paths_agree() {
        for shape in [&[1, 1][..], &[0, 3, 2], &[3, 5], &[2, 3, 70, 41]] {
            let inputs = [normal(1, shape)];
            check_paths(&format!("{shape:?}"), 1e-6, &inputs, |t| flatten(&t[0]));
        }
        check_gradients("flatten", &[normal(1, &[2, 3, 4])], |t| flatten(&t[0]));
    }

    #[test]
    fn what_has_no_second_dimension_is_an_error() {
        assert_error(|| flatten(&normal(1, &[3])), &["rank of 2", "[3]"]);
        assert_error(|| flatten(&normal(1, &[])), &["scalar"]);
    }
}
