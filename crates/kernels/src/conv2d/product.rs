//! Convolution as matrix products: the windows of an image laid out as columns (im2col). The
//! products are candle's, which splits them by rows and columns of the result, never along a sum.
//!
//! For one group: the columns of a grouped convolution are too short to pay.

use super::Geometry;
use crate::element::{Element, read};
use crate::window::inside;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Images whose columns are made at once: 4 MiB of them (in `f32`), at least one image.
fn block(g: &Geometry) -> usize {
    ((1 << 20) / (depth(g) * plane(g)).max(1)).clamp(1, g.n.max(1))
}

/// Rows of the column matrix: the length of a filter.
fn depth(g: &Geometry) -> usize {
    g.c_in * g.kh * g.kw
}

fn plane(g: &Geometry) -> usize {
    g.oh * g.ow
}

/// The columns of some images, (images, depth, plane).
fn columns<T: Element>(g: &Geometry, x: &[T]) -> Result<Tensor> {
    let images = x.len() / (g.c_in * g.h * g.w);
    let mut columns = vec![T::ZERO; images * depth(g) * plane(g)];
    columns.par_chunks_mut(plane(g)).enumerate().with_min_len(8).for_each(|(index, out)| {
        let (channel, tap) = (index / (g.kh * g.kw), index % (g.kh * g.kw));
        let x = &x[channel * g.h * g.w..][..g.h * g.w];
        let (p, q) = (tap / g.kw * g.dilation.0, tap % g.kw * g.dilation.1);
        let columns = inside(q, g.w, g.stride.1, g.padding.1, g.ow);
        for i in inside(p, g.h, g.stride.0, g.padding.0, g.oh) {
            if columns.is_empty() {
                break;
            }
            let row = &x[(i * g.stride.0 + p - g.padding.0) * g.w..][..g.w];
            let first = columns.start * g.stride.1 + q - g.padding.1;
            let out = &mut out[i * g.ow..][columns.clone()];
            if g.stride.1 == 1 {
                out.copy_from_slice(&row[first..first + out.len()]);
            } else {
                for (out, &x) in out.iter_mut().zip(row[first..].iter().step_by(g.stride.1)) {
                    *out = x;
                }
            }
        }
    });
    Tensor::from_vec(columns, (images, depth(g), plane(g)), &Device::Cpu)
}

/// The reverse of [`columns`]: adds every column's elements to the pixels they came from.
fn scatter<T: Element>(g: &Geometry, columns: &[T], dx: &mut [T]) {
    let per_channel = g.kh * g.kw * plane(g);
    let channels = dx.par_chunks_mut(g.h * g.w).zip(columns.par_chunks(per_channel));
    channels.for_each(|(dx, columns)| {
        for (tap, column) in columns.chunks(plane(g)).enumerate() {
            let (p, q) = (tap / g.kw * g.dilation.0, tap % g.kw * g.dilation.1);
            let columns = inside(q, g.w, g.stride.1, g.padding.1, g.ow);
            for i in inside(p, g.h, g.stride.0, g.padding.0, g.oh) {
                if columns.is_empty() {
                    break;
                }
                let row = &mut dx[(i * g.stride.0 + p - g.padding.0) * g.w..][..g.w];
                let first = columns.start * g.stride.1 + q - g.padding.1;
                let column = &column[i * g.ow..][columns.clone()];
                for (dx, &v) in row[first..].iter_mut().step_by(g.stride.1).zip(column) {
                    *dx += v;
                }
            }
        }
    });
}

/// The filters as a matrix, the same for each of `images`.
fn filters<T: Element>(g: &Geometry, w: &[T], images: usize, transposed: bool) -> Result<Tensor> {
    let w = Tensor::from_slice(w, (1, g.c_out, depth(g)), &Device::Cpu)?;
    if transposed {
        w.t()?.broadcast_as((images, depth(g), g.c_out))
    } else {
        w.broadcast_as((images, g.c_out, depth(g)))
    }
}

pub(super) fn forward<T: Element>(
    g: &Geometry,
    x: &[T],
    w: &[T],
    b: Option<&[T]>,
) -> Result<Vec<T>> {
    let mut y = vec![T::ZERO; g.n * g.c_out * plane(g)];
    let size_out = block(g) * g.c_out * plane(g);
    for (x, y) in x.chunks(block(g) * g.c_in * g.h * g.w).zip(y.chunks_mut(size_out)) {
        let columns = columns(g, x)?;
        let product = filters(g, w, columns.dim(0)?, false)?.matmul(&columns)?;
        read::<T, _>(&product, |product| {
            let planes = y.par_chunks_mut(plane(g)).zip(product.par_chunks(plane(g)));
            planes.enumerate().for_each(|(index, (y, product))| {
                let bias = b.map_or(T::ZERO, |b| b[index % g.c_out]);
                for (y, &v) in y.iter_mut().zip(product) {
                    *y = v + bias;
                }
            });
            Ok(())
        })?;
    }
    Ok(y)
}

pub(super) fn input_gradient<T: Element>(g: &Geometry, w: &[T], grad: &[T]) -> Result<Vec<T>> {
    let mut dx = vec![T::ZERO; g.n * g.c_in * g.h * g.w];
    let size_in = block(g) * g.c_in * g.h * g.w;
    for (grad, dx) in grad.chunks(block(g) * g.c_out * plane(g)).zip(dx.chunks_mut(size_in)) {
        let images = grad.len() / (g.c_out * plane(g));
        let grad = Tensor::from_slice(grad, (images, g.c_out, plane(g)), &Device::Cpu)?;
        let columns = filters(g, w, images, true)?.matmul(&grad)?;
        read::<T, _>(&columns, |columns| {
            scatter(g, columns, dx);
            Ok(())
        })?;
    }
    Ok(dx)
}

pub(super) fn weight_gradient<T: Element>(g: &Geometry, x: &[T], grad: &[T]) -> Result<Vec<T>> {
    let mut dw = vec![T::ZERO; g.c_out * depth(g)];
    let blocks = x.chunks(block(g) * g.c_in * g.h * g.w);
    for (x, grad) in blocks.zip(grad.chunks(block(g) * g.c_out * plane(g))) {
        let columns = columns(g, x)?;
        let grad = Tensor::from_slice(grad, (columns.dim(0)?, g.c_out, plane(g)), &Device::Cpu)?;
        let products = grad.matmul(&columns.t()?)?;
        // Images are added in order, each filter row by one task.
        read::<T, _>(&products, |products| {
            dw.par_chunks_mut(depth(g)).enumerate().for_each(|(o, dw)| {
                for product in products.chunks(g.c_out * depth(g)) {
                    for (dw, &v) in dw.iter_mut().zip(&product[o * depth(g)..]) {
                        *dw += v;
                    }
                }
            });
            Ok(())
        })?;
    }
    Ok(dw)
}
