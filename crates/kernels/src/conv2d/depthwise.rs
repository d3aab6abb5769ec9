//! Depthwise convolution: every channel has filters of its own. Vectors hold a pixel of `LANES`
//! channels, so that planes of any width fill them, and no sum runs across lanes.

mod backward;
mod forward;
mod plan;
mod taps;

use super::algorithm::{Algorithm, Epilogue, Output};
pub(super) use plan::Plan;

impl Algorithm for Plan {
    fn epilogue(&self) -> Epilogue {
        Epilogue { activation: self.activation.is_some(), pool: false }
    }

    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Vec<u8>) {
        (forward::forward(self, x, w, bias), Vec::new())
    }

    fn backward(
        &self,
        x: &[f32],
        w: &[f32],
        output: Output,
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        backward::backward(self, x, w, &output.before_relu(), wanted)
    }
}

#[cfg(test)]
mod tests;
