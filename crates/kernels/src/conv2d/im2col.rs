//! Convolution as matrix products (im2col), for any filter, stride, padding and dilation: the
//! windows of the image become the columns of a matrix, packed straight into the panels that the
//! product reads. A 1x1 convolution has nothing to lay out and takes the image as it is; windows that
//! lie side by side are copied as they are ([`patches`]).
//!
//! Forward: `filters (o, k) x columns (k, pixels)`. Weight gradient: `columns (k, pixels) x
//! gradient (pixels, o)`, which reads the same panels by rows. Input gradient: `filters (k, o) x
//! gradient (o, pixels)`, each column then added to the pixels it came from.
//!
//! Images are shared out among the threads; where there are few columns, the products are ([`small_planes`]).

mod backward;
mod forward;
mod layout;
mod patches;
mod plan;
mod small_planes;

use super::algorithm::{Algorithm, Epilogue, Output};
use super::bias::bias_gradient;
pub(super) use plan::Plan;
#[cfg(test)]
pub(super) use plan::SMALL_PLANE;

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
        [want_x, want_w, want_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let grad = &output.before_relu();
        let [dx, dw] = backward::backward(self, x, w, grad, [want_x, want_w]);
        [dx, dw, want_bias.then(|| bias_gradient(&self.g, grad))]
    }
}
