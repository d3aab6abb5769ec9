//! A recurrent layer: an LSTM that reads an image row by row.

use taper_cli::taper_runner::candle::{D, ModuleT, Result, Tensor};
use taper_cli::taper_runner::taper_model::ParamBuilder;
use taper_cli::taper_runner::taper_model::layers::{Linear, LinearConfig};

/// An LSTM over the rows of images (n, c, h, w); what it knows after the last one, (n, hidden).
///
/// The gates' weights are two dense layers, `input` and `hidden`, in PyTorch's order: input, forget, cell, output.
#[derive(Debug)]
pub struct RowLstm {
    input: Linear,
    hidden: Linear,
    size: usize,
}

impl RowLstm {
    /// For rows of `width` values, over all channels.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn new(width: usize, size: usize, vb: ParamBuilder<'_>) -> Result<Self> {
        let dense =
            |inputs, name| Linear::new(inputs, 4 * size, LinearConfig::default(), vb.pp(name));
        Ok(Self { input: dense(width, "input")?, hidden: dense(size, "hidden")?, size })
    }
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? + 1.0)? * 0.5
}

impl ModuleT for RowLstm {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let (n, c, h, w) = images.dims4()?;
        let rows = images.transpose(1, 2)?.reshape((n, h, c * w))?;
        let mut hidden = Tensor::zeros((n, self.size), images.dtype(), images.device())?;
        let mut cell = hidden.clone();
        for row in 0..h {
            let row = rows.narrow(1, row, 1)?.squeeze(1)?.contiguous()?;
            let gates =
                (self.input.forward_t(&row, train)? + self.hidden.forward_t(&hidden, train)?)?;
            let gates = gates.chunk(4, D::Minus1)?;
            let (input, forget) = (sigmoid(&gates[0])?, sigmoid(&gates[1])?);
            cell = ((forget * cell)? + (input * gates[2].tanh()?)?)?;
            hidden = (sigmoid(&gates[3])? * cell.tanh()?)?;
        }
        Ok(hidden)
    }
}
