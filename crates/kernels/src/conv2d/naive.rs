//! Convolution in plain loops, for any configuration. One task owns each plane that is written,
//! so every sum has one order.

use super::bias::bias_gradient;
use super::geometry::Geometry;
use crate::element::Element;
use crate::window::inside;
use rayon::prelude::*;
use std::ops::Range;

impl Geometry {
    /// Output rows or columns, and the first input row or column, that tap `k` joins.
    fn rows(&self, k: usize) -> (Range<usize>, usize) {
        axis(k * self.dilation.0, self.h, self.stride.0, self.padding.0, self.oh)
    }

    fn columns(&self, k: usize) -> (Range<usize>, usize) {
        axis(k * self.dilation.1, self.w, self.stride.1, self.padding.1, self.ow)
    }

    /// Calls `f` for each tap and output row that meet the image: the tap's index in the filter,
    /// the start of the output piece, its length, and the start of the input piece, whose
    /// elements lie `stride.1` apart.
    fn each_row(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        for p in 0..self.kh {
            let (rows, first_row) = self.rows(p);
            for q in 0..self.kw {
                let (columns, first_column) = self.columns(q);
                for i in rows.clone() {
                    let row = first_row + (i - rows.start) * self.stride.0;
                    f(
                        p * self.kw + q,
                        i * self.ow + columns.start,
                        columns.len(),
                        row * self.w + first_column,
                    );
                }
            }
        }
    }

    fn taps(&self) -> usize {
        self.kh * self.kw
    }

    /// Channels a group.
    fn group_in(&self) -> usize {
        self.c_in / self.groups
    }

    fn group_out(&self) -> usize {
        self.c_out / self.groups
    }
}

fn axis(
    offset: usize,
    len: usize,
    stride: usize,
    padding: usize,
    out: usize,
) -> (Range<usize>, usize) {
    let range = inside(offset, len, stride, padding, out);
    // An empty range has no first element; its value is not used.
    let first = (range.start * stride + offset).saturating_sub(padding);
    (range, first)
}

pub(super) fn forward<T: Element>(g: &Geometry, x: &[T], w: &[T], b: Option<&[T]>) -> Vec<T> {
    let (plane_in, plane_out) = (g.h * g.w, g.oh * g.ow);
    let mut y = vec![T::ZERO; g.n * g.c_out * plane_out];
    y.par_chunks_mut(plane_out).enumerate().for_each(|(index, y)| {
        let (n, o) = (index / g.c_out, index % g.c_out);
        if let Some(b) = b {
            y.fill(b[o]);
        }
        for c in 0..g.group_in() {
            let channel = o / g.group_out() * g.group_in() + c;
            let x = &x[(n * g.c_in + channel) * plane_in..][..plane_in];
            let w = &w[(o * g.group_in() + c) * g.taps()..][..g.taps()];
            g.each_row(|tap, out, len, start| {
                let x = x[start.min(plane_in)..].iter().step_by(g.stride.1);
                for (y, &x) in y[out..out + len].iter_mut().zip(x) {
                    *y += w[tap] * x;
                }
            });
        }
    });
    y
}

/// The gradients that are wanted, of `x`, weight and bias.
pub(super) fn backward<T: Element>(
    g: &Geometry,
    x: &[T],
    w: &[T],
    grad: &[T],
    [want_x, want_w, want_bias]: [bool; 3],
) -> [Option<Vec<T>>; 3] {
    [
        want_x.then(|| input_gradient(g, w, grad)),
        want_w.then(|| weight_gradient(g, x, grad)),
        want_bias.then(|| bias_gradient(g, grad)),
    ]
}

fn input_gradient<T: Element>(g: &Geometry, w: &[T], grad: &[T]) -> Vec<T> {
    let (plane_in, plane_out) = (g.h * g.w, g.oh * g.ow);
    let mut dx = vec![T::ZERO; g.n * g.c_in * plane_in];
    dx.par_chunks_mut(plane_in.max(1)).enumerate().for_each(|(index, dx)| {
        let (n, channel) = (index / g.c_in, index % g.c_in);
        let (group, c) = (channel / g.group_in(), channel % g.group_in());
        for o in group * g.group_out()..(group + 1) * g.group_out() {
            let grad = &grad[(n * g.c_out + o) * plane_out..][..plane_out];
            let w = &w[(o * g.group_in() + c) * g.taps()..][..g.taps()];
            g.each_row(|tap, out, len, start| {
                let dx = dx[start.min(plane_in)..].iter_mut().step_by(g.stride.1);
                for (&grad, dx) in grad[out..out + len].iter().zip(dx) {
                    *dx += w[tap] * grad;
                }
            });
        }
    });
    dx
}

fn weight_gradient<T: Element>(g: &Geometry, x: &[T], grad: &[T]) -> Vec<T> {
    let (plane_in, plane_out) = (g.h * g.w, g.oh * g.ow);
    let mut dw = vec![T::ZERO; g.c_out * g.group_in() * g.taps()];
    // One task a filter slice; within it the images are added in order.
    dw.par_chunks_mut(g.taps()).enumerate().for_each(|(index, dw)| {
        let (o, c) = (index / g.group_in(), index % g.group_in());
        let channel = o / g.group_out() * g.group_in() + c;
        for n in 0..g.n {
            let x = &x[(n * g.c_in + channel) * plane_in..][..plane_in];
            let grad = &grad[(n * g.c_out + o) * plane_out..][..plane_out];
            g.each_row(|tap, out, len, start| {
                let x = x[start.min(plane_in)..].iter().step_by(g.stride.1);
                let row = grad[out..out + len].iter().zip(x);
                dw[tap] += row.map(|(&grad, &x)| grad * x).sum();
            });
        }
    });
    dw
}
