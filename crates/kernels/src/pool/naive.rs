//! Pooling in plain loops, one plane (an image's channel) at a time.

use super::geometry::Geometry;
use crate::element::Element;
use rayon::prelude::*;

/// The maxima, and the position of each in its plane.
pub(super) fn max<T: Element>(g: &Geometry, x: &[T]) -> (Vec<T>, Vec<u32>) {
    let planes = g.n * g.c;
    let mut y = vec![T::ZERO; planes * g.plane_out()];
    let mut argmax = vec![0u32; y.len()];
    let outputs = y.par_chunks_mut(g.plane_out()).zip(argmax.par_chunks_mut(g.plane_out()));
    outputs.zip(x.par_chunks(g.plane_in())).for_each(|((y, argmax), x)| {
        for (o, (y, position)) in y.iter_mut().zip(argmax).enumerate() {
            let (rows, columns) = g.window(o);
            let mut best = rows.start * g.w + columns.start;
            for row in rows {
                for i in row * g.w + columns.start..row * g.w + columns.end {
                    let is_first_nan = x[i].is_nan() && !x[best].is_nan();
                    if x[i] > x[best] || is_first_nan {
                        best = i;
                    }
                }
            }
            *y = x[best];
            *position = best as u32;
        }
    });
    (y, argmax)
}

/// Each output's gradient added to the pixel at its position.
pub(super) fn max_gradient<T: Element>(g: &Geometry, positions: &[u32], grad: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; g.n * g.c * g.plane_in()];
    let inputs = positions.par_chunks(g.plane_out()).zip(grad.par_chunks(g.plane_out()));
    dx.par_chunks_mut(g.plane_in()).zip(inputs).for_each(|(dx, (positions, grad))| {
        for (&position, &grad) in positions.iter().zip(grad) {
            dx[position as usize] += grad;
        }
    });
    dx
}

/// The mean of each window.
pub(super) fn mean<T: Element>(g: &Geometry, x: &[T]) -> Vec<T> {
    let scale = scale(g);
    let mut y = vec![T::ZERO; g.n * g.c * g.plane_out()];
    let planes = y.par_chunks_mut(g.plane_out()).zip(x.par_chunks(g.plane_in()));
    planes.for_each(|(y, x)| {
        for (o, y) in y.iter_mut().enumerate() {
            let (rows, columns) = g.window(o);
            let mut sum = T::ZERO;
            for row in rows {
                let row = &x[row * g.w..][columns.clone()];
                sum += row.iter().copied().sum();
            }
            *y = sum * scale;
        }
    });
    y
}

/// Each output's gradient for the pixels of its window.
pub(super) fn mean_gradient<T: Element>(g: &Geometry, grad: &[T]) -> Vec<T> {
    let scale: T = scale(g);
    let mut dx = vec![T::ZERO; g.n * g.c * g.plane_in()];
    let planes = dx.par_chunks_mut(g.plane_in()).zip(grad.par_chunks(g.plane_out()));
    planes.for_each(|(dx, grad)| {
        for (o, &grad) in grad.iter().enumerate() {
            let (rows, columns) = g.window(o);
            for row in rows {
                for dx in &mut dx[row * g.w..][columns.clone()] {
                    *dx += grad * scale;
                }
            }
        }
    });
    dx
}

fn scale<T: Element>(g: &Geometry) -> T {
    let (kh, kw) = g.config.kernel;
    T::from_f64(1. / (kh * kw) as f64)
}
