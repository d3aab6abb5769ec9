//! Winograd convolution F(4x4, 3x3): 3x3 filters at stride 1 with a quarter of the
//! multiplications of a direct kernel.
//!
//! The output is cut into tiles of 4x4, each from 6x6 input pixels. A block of tiles goes through
//! three steps that stay in a core's cache: transform of the input (per channel), a product over
//! channels at each of 36 points, inverse transform with bias, ReLU and 2x2 pooling applied. The
//! backward pass transposes the same steps: the gradient's transform serves both the weight
//! gradient (a product over tiles) and the input gradient (a product over output channels).
//!
//! Blocks are shared out among the threads; where all tiles are one block, its channels are.
//!
//! Error: the transforms lose about three bits against a direct kernel, some 3e-6 relative.

mod backward;
mod filters;
mod forward;
mod input;
mod plan;
mod small_planes;
mod transform;

use super::algorithm::{Algorithm, BATCH_PIECES, Epilogue, MOST_PARTIALS, Output};
use crate::scratch::{self, Scratch, UninitVec};
use backward::{BackwardBlock, Piece, partial_len};
use filters::{SummedOver, pack, unpack};
use forward::ForwardBlock;
pub(super) use plan::Plan;
use rayon::prelude::*;

impl Algorithm for Plan {
    fn epilogue(&self) -> Epilogue {
        self.epilogue
    }

    // What is saved: for each pooled pixel in blocked order which of its four pixels won, 1 to 4, or
    // 0 where none gets a gradient, because the ReLU is flat there.
    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Vec<u8>) {
        let g = &self.g;
        assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
        assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
        let filters = pack(self.isa, w, g.c_in, g.c_out, SummedOver::Input);
        let mut y = UninitVec::<f32>::new(self.output_len());
        let mut argmax = UninitVec::<u8>::new(self.argmax_len());
        let outputs = (y.send_ptr(), argmax.send_ptr());
        let block = |block| {
            let (y, argmax) = (outputs.0.pointer(), outputs.1.pointer());
            ForwardBlock { plan: self, x, filters: &filters, bias, y, argmax, block }
        };
        if self.is_one_block() {
            small_planes::forward(self, x, filters.pairs(), || block(0));
        } else {
            (0..self.blocks()).into_par_iter().for_each(|i| self.isa.run(block(i)));
        }
        // SAFETY: the blocks' tiles cover every row and column of every image's output.
        unsafe { (y.finish(), argmax.finish()) }
    }

    fn backward(
        &self,
        x: &[f32],
        w: &[f32],
        output: Output,
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let g = &self.g;
        assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
        assert_eq!(output.grad.len(), self.output_len());
        assert_eq!(output.saved.len(), self.argmax_len());
        assert!(output.y.is_none_or(|y| y.len() == output.grad.len()));
        let [want_x, want_w, want_bias] = wanted;
        let filters = want_x.then(|| pack(self.isa, w, g.c_in, g.c_out, SummedOver::Output));
        let mut dx = UninitVec::<f32>::new(if want_x { x.len() } else { 0 });
        let shared = dx.send_ptr();
        let block = |block| BackwardBlock {
            plan: self,
            x,
            filters: filters.as_ref(),
            output,
            block,
            dx: shared.pointer(),
        };
        let partials = if self.is_one_block() {
            vec![small_planes::backward(self, x, [want_x, want_w], || block(0))]
        } else {
            pieces(self, want_w, block)
        };
        let (dw, db): (Vec<Scratch>, Vec<Scratch>) = partials.into_iter().unzip();
        [
            // SAFETY: the blocks' tiles cover every row and column of every image.
            want_x.then(|| unsafe { dx.finish() }),
            want_w.then(|| unpack(self.isa, &dw, g.c_in, g.c_out)),
            want_bias.then(|| (0..g.c_out).map(|o| db.iter().map(|db| db[o]).sum()).collect()),
        ]
    }
}

/// Goes through the batch in pieces; the gradients of each piece's points and bias.
fn pieces<'a>(
    plan: &Plan,
    want_w: bool,
    block: impl Fn(usize) -> BackwardBlock<'a> + Sync,
) -> Vec<(Scratch, Scratch)> {
    let n = plan.g.n;
    // A piece is whole images: their blocks add to the same rows of the input gradient.
    let images = n.div_ceil((MOST_PARTIALS / partial_len(plan, true).0).clamp(1, BATCH_PIECES));
    let images = images.next_multiple_of(plan.images_per_block).max(1);
    let per_image = if plan.images_per_block > 1 { 1 } else { plan.blocks_per_image() };
    let blocks = images / plan.images_per_block * per_image;
    let pieces = (0..n.div_ceil(images)).into_par_iter().map(|piece| {
        let (weights, biases) = partial_len(plan, want_w);
        let (mut dw, mut db) = (scratch::buffer(weights), scratch::buffer(biases));
        dw.fill(0.);
        db.fill(0.);
        for i in piece * blocks..((piece + 1) * blocks).min(plan.blocks()) {
            let dw = want_w.then_some(&mut *dw);
            plan.isa.run(Piece { block: block(i), dw, db: &mut db });
        }
        (dw, db)
    });
    pieces.collect()
}
