//! What a convolution asks of the algorithm that computes it.

use crate::element::relu_gradient;
use std::borrow::Cow;

/// A way to compute convolutions of `f32`, for one geometry.
pub(super) trait Algorithm: Send + Sync {
    /// What the forward pass does to the convolution's result on the way.
    fn epilogue(&self) -> Epilogue;

    /// The output, and what the backward pass needs beside inputs and output.
    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Vec<u8>);

    /// The gradients that are wanted, of `x`, weight and bias.
    fn backward(
        &self,
        x: &[f32],
        w: &[f32],
        output: Output,
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3];
}

/// What follows a convolution within the same pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epilogue {
    /// The block's activation.
    pub activation: bool,
    /// Max-pooling by 2x2 windows side by side.
    pub pool: bool,
}

/// What a backward pass starts from, beside the inputs.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    /// What the forward pass gave, if `grad` is still to pass the epilogue's ReLU.
    pub y: Option<&'a [f32]>,
    pub saved: &'a [u8],
    pub grad: &'a [f32],
}

impl<'a> Output<'a> {
    /// The gradient before the ReLU.
    pub fn before_relu(&self) -> Cow<'a, [f32]> {
        match self.y {
            Some(y) => Cow::Owned(relu_gradient(y, self.grad)),
            None => Cow::Borrowed(self.grad),
        }
    }
}

/// Pieces of the batch whose weight gradients are summed apart, then in order. A fixed number:
/// results do not depend on the number of threads.
pub(super) const BATCH_PIECES: usize = 16;

/// Numbers that all pieces' partial gradients may take: 64 MiB.
pub(super) const MOST_PARTIALS: usize = 1 << 24;
