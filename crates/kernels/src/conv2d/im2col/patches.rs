//! Windows that lie side by side, as a vision transformer's patches do: no pixel is in two of them,
//! so they are copied one after the other, each in the order of a filter.

use crate::conv2d::geometry::Geometry;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Whether windows share no pixel, neither with each other nor with a padding, and their rows are
/// worth a copy each: pairs are sorted faster as [`Padded`](super::layout::Padded) does.
pub(super) fn fits(g: &Geometry) -> bool {
    g.stride == (g.kh, g.kw) && (g.padded(), g.dilation) == ((g.h, g.w), (1, 1)) && g.kw > 2
}

/// Copies the windows out of images.
pub(super) fn pack(g: &Geometry, images: &[f32], patches: &mut [f32]) {
    let windows = patches.len() / (g.c_in * g.kh * g.kw);
    // Few numbers a row: `copy_from_slice` would be a call into the C library.
    each_row(g, 0..windows, |image, patch| {
        let row = patches[patch..][..g.kw].iter_mut().zip(&images[image..][..g.kw]);
        row.for_each(|(patch, &v)| *patch = v);
    });
}

/// Copies windows back into images, all else of which stays as it is.
pub(super) fn unpack(
    g: &Geometry,
    patches: &[f32],
    windows: Range<usize>,
    images: &mut [MaybeUninit<f32>],
) {
    each_row(g, windows, |image, patch| {
        let row = images[image..][..g.kw].iter_mut().zip(&patches[patch..][..g.kw]);
        row.for_each(|(pixel, &v)| {
            pixel.write(v);
        });
    });
}

/// For each row of each window where it lies in the images, and where in the windows' copy.
fn each_row(g: &Geometry, windows: Range<usize>, mut visit: impl FnMut(usize, usize)) {
    let mut patch = 0;
    for window in windows {
        let (image, window) = (window / (g.oh * g.ow), window % (g.oh * g.ow));
        let (i, j) = (window / g.ow, window % g.ow);
        for c in 0..g.c_in {
            let first = ((image * g.c_in + c) * g.h + i * g.kh) * g.w + j * g.kw;
            for p in 0..g.kh {
                visit(first + p * g.w, patch);
                patch += g.kw;
            }
        }
    }
}
