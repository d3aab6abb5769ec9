//! Dropout with a mask that is a function of seed and position.

mod composed;
mod counted;

use crate::path::{Path, resolve};
use candle_core::{Result, Tensor, bail};

/// The rule by which an element is kept.
#[derive(Clone, Copy, Debug)]
struct Mask {
    counter: crate::counter::Counter,
    /// A word below this drops its element.
    threshold: u32,
    /// Whether every element is dropped.
    all: bool,
    /// What a kept element is multiplied by.
    scale: f64,
}

impl Mask {
    fn new(rate: f64, seed: u64) -> Self {
        let threshold = (rate * 2f64.powi(32)).round();
        Self {
            counter: crate::counter::Counter::new(seed),
            // A rate below 1 by less than 2^-33 is one.
            threshold: threshold as u32,
            all: threshold >= 2f64.powi(32),
            scale: if rate < 1. { 1. / (1. - rate) } else { 0. },
        }
    }

    #[inline(always)]
    fn drops(&self, word: u32) -> bool {
        self.all | (word < self.threshold)
    }
}

/// Zeroes each element with probability `rate` and multiplies the others by `1 / (1 - rate)`.
///
/// Element `i` (in row-major order) is dropped when word `i % 4` of block `i / 4` of
/// [`Counter::new(seed)`](crate::counter::Counter) is less than `rate * 2^32`. The mask is a
/// function of the seed and the position alone: it is the same on every path, device and number
/// of threads, and the backward pass makes it anew in place of storing it. Use a new seed for
/// every call.
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
    let path = resolve(x);
    match path {
        Path::Composed => composed::dropout(x, &mask),
        _ => counted::dropout(x, mask, path.isa()),
    }
}

#[cfg(test)]
mod tests;
