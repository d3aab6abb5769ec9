//! Layer normalization as an operation.

use super::{composed, naive, vector};
use crate::element::{Element, as_f32, check_vectors, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{Result, Tensor, bail};

/// Normalizes the last dimension of `x`.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, with the statistics of each row, the
/// variance divided by the count. J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization",
/// 2016, <https://arxiv.org/abs/1607.06450>.
///
/// # Shapes
///
/// `x` (..., k); `gamma`, `beta` (k).
///
/// # Errors
///
/// If a shape is wrong, or the rows have no elements.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let Some(&last) = x.dims().last().filter(|&&last| last > 0) else {
        bail!("layer_norm: expected rows of at least one element, found {:?}", x.dims())
    };
    check_vectors("layer_norm", last, &[("gamma", gamma), ("beta", beta)])?;
    match resolve(x) {
        Implementation::Composed => composed::layer_norm(x, gamma, beta, eps),
        chosen => {
            let op = LayerNorm { eps, isa: chosen.simd_isa() };
            operation::apply(op, [x, gamma, beta], x.shape())
        }
    }
}

struct LayerNorm {
    eps: f64,
    isa: Option<Isa>,
}

/// Of x, gamma and beta.
impl Operation<3> for LayerNorm {
    type Saved = ();

    fn forward<T: Element>(&self, [x, gamma, beta]: [&[T]; 3]) -> Result<(Vec<T>, ())> {
        let y = match (self.isa, as_f32(x), as_f32(gamma), as_f32(beta)) {
            (Some(isa), Some(x), Some(gamma), Some(beta)) => {
                from_f32(vector::forward(isa, x, gamma, beta, self.eps))?
            }
            _ => naive::forward(x, gamma, beta, self.eps),
        };
        Ok((y, ()))
    }

    fn backward<T: Element>(
        &self,
        [x, gamma, _]: [&[T]; 3],
        Output { grad, .. }: Output<T, ()>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let [dx, d_gamma, d_beta] = match (self.isa, as_f32(x), as_f32(gamma), as_f32(grad)) {
            (Some(isa), Some(x), Some(gamma), Some(grad)) => {
                vector::backward(isa, [x, gamma, grad], self.eps, wanted)
                    .map(|gradient| gradient.map(from_f32).transpose())
            }
            _ => naive::backward([x, gamma, grad], self.eps, wanted).map(Ok),
        };
        Ok([dx?, d_gamma?, d_beta?])
    }
}
