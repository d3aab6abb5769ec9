//! Dropout as an operation; the backward pass makes the mask anew.

use super::mask::Mask;
use super::{composed, vector};
use crate::element::Element;
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{Result, Tensor, bail};

/// Zeroes each element with probability `rate` and multiplies the others by `1 / (1 - rate)`.
///
/// Element `i` (in row-major order) is dropped when word `i % 4` of block `i / 4` of
/// [`Counter::new(seed)`](crate::counter::Counter) is less than `rate * 2^32`. The mask is a
/// function of the seed and the position alone: it is the same with every implementation, device
/// and number of threads, and the backward pass makes it anew in place of storing it. Use a new
/// seed for every call.
///
/// N. Srivastava et al., "Dropout", 2014, <https://jmlr.org/papers/v15/srivastava14a.html>.
///
/// # Errors
///
/// If the rate is not in [0, 1].
pub fn dropout(x: &Tensor, rate: f64, seed: u64) -> Result<Tensor> {
    if !(0. ..=1.).contains(&rate) {
        bail!("dropout: expected a rate between 0 and 1, found {rate}")
    }
    if rate == 0. {
        return Ok(x.clone());
    }
    let mask = Mask::new(rate, seed);
    match resolve(x) {
        Implementation::Composed => composed::dropout(x, &mask),
        chosen => operation::apply(Dropout { mask, isa: chosen.isa() }, [x], x.shape()),
    }
}

struct Dropout {
    mask: Mask,
    isa: Isa,
}

impl Operation<1> for Dropout {
    type Saved = ();

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, ())> {
        Ok((vector::masked(self.isa, &self.mask, x), ()))
    }

    fn backward<T: Element>(
        &self,
        _: [&[T]; 1],
        output: Output<T, ()>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let dx = vector::masked(self.isa, &self.mask, output.grad);
        Ok([Some(dx)])
    }
}
