//! The forward pass: images, or parts of them, shared out among the threads.

use super::plan::{Plan, whole};
use super::small_planes;
use crate::gemm::{Epilogue, Matrix, multiply_part};
use crate::scratch::{self, SendPtr, UninitVec};
use rayon::prelude::*;
use std::ops::Range;

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let g = &plan.g;
    assert_eq!((x.len(), w.len()), (g.n * plan.input(), g.c_out * plan.depth()));
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    if plan.has_small_planes() {
        return small_planes::forward(plan, x, w, bias);
    }
    let filters = Matrix::new(w, g.c_out, plan.depth());
    let epilogue = Epilogue { row_bias: bias, activation: plan.activation, ..Epilogue::default() };
    let mut y = UninitVec::<f32>::new(g.n * plan.output());
    let shared = y.send_ptr();
    // Few images are shared out in parts, each of which pads them for itself.
    let parts = if g.n < 8 { plan.chunks(plan.images()).count() } else { 1 };
    let groups = g.n.div_ceil(plan.images());
    (0..groups * parts).into_par_iter().for_each(|task| {
        let (group, part) = (task / parts, task % parts);
        let first = group * plan.images();
        let images = plan.images().min(g.n - first);
        let x = &x[first * plan.input()..][..images * plan.input()];
        let padded = plan.pad(x);
        for columns in plan.chunks(images).skip(part).step_by(parts) {
            let panels = plan.pack(x, &padded, columns.clone());
            if plan.images() == 1 {
                // SAFETY: these columns of the image's output belong to this task.
                unsafe {
                    let at = first * plan.output() + columns.start;
                    let to = (shared.offset(at), plan.plane());
                    multiply_part(filters, &panels, whole(filters, &panels), to, epilogue, false);
                }
            } else {
                let mut product = scratch::buffer(g.c_out * columns.len());
                // SAFETY: the product has room for these columns; the pixels of these images
                // belong to this task.
                unsafe {
                    let to = (SendPtr::new(&mut product), columns.len());
                    multiply_part(filters, &panels, whole(filters, &panels), to, epilogue, false);
                    let to = shared.offset(first * plan.output());
                    plan.share_out(&product, columns, to);
                }
            }
        }
    });
    // SAFETY: groups and chunks cover all images and columns.
    unsafe { y.finish() }
}

impl Plan {
    /// From (channel, columns of several images) to images.
    ///
    /// # Safety
    ///
    /// `to` has room for the images, whose pixels nobody else uses.
    unsafe fn share_out(&self, product: &[f32], columns: Range<usize>, to: SendPtr<f32>) {
        for (o, row) in product.chunks_exact(columns.len()).enumerate() {
            for (column, &v) in columns.clone().zip(row) {
                let (image, pixel) = (column / self.plane(), column % self.plane());
                let at = image * self.output() + o * self.plane() + pixel;
                // SAFETY: a pixel of one of the images.
                unsafe { *to.offset(at).pointer() = v }
            }
        }
    }
}
