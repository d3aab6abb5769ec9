//! A layer without parameters: Mish.

use taper_cli::taper_runner::candle::{Module, Result, Tensor};

/// `x * tanh(ln(1 + e^x))` (Misra 2019, <https://arxiv.org/abs/1908.08681>).
#[derive(Debug, Clone, Copy)]
pub struct Mish;

impl Module for Mish {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow.
        let softplus = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        x * softplus.tanh()?
    }
}
