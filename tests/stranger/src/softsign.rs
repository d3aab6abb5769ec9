//! A layer with a gradient written by hand: softsign.

use taper_cli::taper_runner::candle::{Module, Result, Tensor};
use taper_cli::taper_runner::taper_model::with_gradient;

/// `x / (1 + |x|)`, whose slope is `1 / (1 + |x|)^2`.
#[derive(Debug, Clone, Copy)]
pub struct Softsign;

impl Module for Softsign {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let plain = x.detach();
        let y = (&plain / (plain.abs()? + 1.0)?)?;
        with_gradient([x], y, |[x], gradient| Ok([Some((gradient / (x.abs()? + 1.0)?.sqr()?)?)]))
    }
}
