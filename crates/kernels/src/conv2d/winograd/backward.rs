//! The backward pass of one block of tiles.

use super::filters::Packed;
use super::input::{filter_products, pixels_len, transform_input};
use super::plan::{POINTS, Plan, Run, point_stride};
use super::transform;
use crate::conv2d::algorithm::Output;
use crate::microkernel::{Steps, rows};
use crate::nchwc::{Image, pack_rows, unpack_rows, zero};
use crate::scratch;
use crate::simd::{Kernel, Simd, load};
use std::ops::Range;

/// Numbers of the points' weight gradients, if wanted, and of the bias's.
pub(super) fn partial_len(plan: &Plan, want_w: bool) -> (usize, usize) {
    let lanes = plan.isa.lanes();
    let (c_blocks, o_blocks) = plan.channel_blocks();
    let weights = POINTS * c_blocks * o_blocks * lanes * lanes;
    (if want_w { weights } else { 0 }, o_blocks * lanes)
}

/// What the backward pass of a block of tiles starts from.
#[derive(Clone, Copy)]
pub(super) struct BackwardBlock<'a> {
    pub plan: &'a Plan,
    pub x: &'a [f32],
    /// Without them the input gradient is not computed.
    pub filters: Option<&'a Packed>,
    pub output: Output<'a>,
    pub block: usize,
    pub dx: *mut f32,
}

/// A block, and the gradients of its piece, to be added to.
pub(super) struct Piece<'a> {
    pub block: BackwardBlock<'a>,
    pub dw: Option<&'a mut [f32]>,
    pub db: &'a mut [f32],
}

impl Kernel for Piece<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let BackwardBlock { plan, x, filters, block, .. } = self.block;
        let (c_blocks, o_blocks) = plan.channel_blocks();
        let tiles = plan.tiles(block);
        let stride_in = point_stride(c_blocks * tiles, S::LANES);
        let stride_out = point_stride(o_blocks * tiles, S::LANES);
        let mut gradients = scratch::buffer(POINTS * stride_out);
        let mut pixels = scratch::buffer(2 * pixels_len::<S>(plan));
        let to = gradients.as_mut_ptr();
        let db = self.db.as_mut_ptr();
        // SAFETY: the buffers were taken at the sizes that the functions ask for; of the input
        // gradient, the images of a piece belong to its task alone.
        unsafe {
            self.block.transform_gradient::<S>(0..o_blocks, to, db, &mut pixels);
            if let Some(dw) = self.dw {
                let mut transformed = scratch::buffer(POINTS * stride_in);
                let to = (transformed.as_mut_ptr(), stride_in);
                transform_input::<S>(plan, x, block, 0..c_blocks, to, &mut pixels);
                let size = dw.len() / POINTS;
                for (point, dw) in dw.chunks_exact_mut(size).enumerate() {
                    let gradients = gradients[point * stride_out..].as_ptr();
                    let transformed = transformed[point * stride_in..].as_ptr();
                    weight_products::<S>(plan, tiles, gradients, transformed, dw, true);
                }
            }
            for pair in 0..filters.map_or(0, Packed::pairs) {
                self.block.pair::<S>(pair, gradients.as_ptr(), &mut pixels);
            }
        }
    }
}

/// The gradient at a point, `dw[o][c] = sum over tiles of gradient[o] * input[c]`, or added to it.
///
/// # Safety
///
/// The CPU has the features of `S`; `gradients` and `transformed` are the point's matrices, `dw` holds
/// the product of their channels.
#[inline(always)]
pub(super) unsafe fn weight_products<S: Simd>(
    plan: &Plan,
    tiles: usize,
    gradients: *const f32,
    transformed: *const f32,
    dw: &mut [f32],
    add: bool,
) {
    let (c_blocks, o_blocks) = plan.channel_blocks();
    let (row_count, columns) = (o_blocks * S::LANES, c_blocks * S::LANES);
    assert_eq!(dw.len(), row_count * columns);
    let steps = Steps {
        chunks: 1,
        inner: tiles,
        a_step: S::LANES,
        a_chunk: 0,
        b_step: S::LANES,
        b_chunk: 0,
        b_vector: tiles * S::LANES,
    };
    for c in (0..c_blocks).step_by(2) {
        // SAFETY: the caller's promise, and the length just asserted.
        unsafe {
            rows::<S>(
                steps,
                row_count,
                (c_blocks - c).min(2),
                |o| gradients.add(o / S::LANES * tiles * S::LANES + o % S::LANES),
                transformed.add(c * tiles * S::LANES),
                dw.as_mut_ptr().add(c * S::LANES),
                (columns, S::LANES),
                add,
            );
        }
    }
}

impl BackwardBlock<'_> {
    /// Transforms the gradient of some vectors of output channels, and adds up that of their bias.
    ///
    /// # Safety
    ///
    /// `transformed` holds 36 matrices of all output channels, `db` their sums, of which no other task
    /// writes these; `pixels` holds twice [`pixels_len`].
    #[inline(always)]
    pub(super) unsafe fn transform_gradient<S: Simd>(
        &self,
        channels: Range<usize>,
        transformed: *mut f32,
        db: *mut f32,
        pixels: &mut [f32],
    ) {
        let (plan, tiles) = (self.plan, self.plan.tiles(self.block));
        let stride = point_stride(plan.channel_blocks().1 * tiles, S::LANES);
        let width = 4 * plan.tile_columns;
        let (pixels, other) = pixels.split_at_mut(pixels_len::<S>(plan));
        let (pixels, half) = pixels.split_at_mut(4 * plan.rows_per_block * width * S::LANES);
        let (pixels, half) = (pixels.as_mut_ptr(), half.as_mut_ptr());
        for o in channels {
            // SAFETY: `pixels` holds the `4 rows_per_block` rows of `4 tile_columns` pixels that `output_pixels` writes,
            // then the six half transformed ones, each half being `pixels_len` long; the points' matrices have room for
            // the block's tiles of every vector of channels.
            unsafe {
                let mut bias = S::splat(0.);
                for run in plan.runs(self.block) {
                    self.output_pixels::<S>(run, o, pixels, other.as_mut_ptr());
                    for row in 0..run.end - run.start {
                        let from = pixels.add(4 * row * width * S::LANES);
                        let mut sum = S::splat(0.);
                        for column in 0..width {
                            let g: [S::Vector; 4] =
                                load::<S, 4>(from.add(column * S::LANES), width * S::LANES);
                            sum = S::add(sum, S::add(S::add(g[0], g[1]), S::add(g[2], g[3])));
                            let z = transform::output_transposed::<S>(g);
                            for (i, v) in z.into_iter().enumerate() {
                                S::store(half.add((i * width + column) * S::LANES), v);
                            }
                        }
                        bias = S::add(bias, sum);
                        let first = o * tiles + run.first_tile + row * plan.tile_columns;
                        for tile in 0..plan.tile_columns {
                            for i in 0..6 {
                                let from = half.add((i * width + 4 * tile) * S::LANES);
                                let g = load::<S, 4>(from, S::LANES);
                                let z = transform::output_transposed::<S>(g);
                                for (j, v) in z.into_iter().enumerate() {
                                    let at = (i * 6 + j) * stride + (first + tile) * S::LANES;
                                    S::store(transformed.add(at), v);
                                }
                            }
                        }
                    }
                }
                let db = db.add(o * S::LANES);
                S::store(db, S::add(S::load(db), bias));
            }
        }
    }

    /// The input gradient of a pair of vectors of channels, from the gradient's points.
    ///
    /// # Safety
    ///
    /// `transformed` holds those of [`Self::transform_gradient`] for all
    /// channels, `pixels` [`pixels_len`]; no other task writes these channels of the block's images.
    #[inline(always)]
    pub(super) unsafe fn pair<S: Simd>(
        &self,
        pair: usize,
        transformed: *const f32,
        pixels: &mut [f32],
    ) {
        let Some(filters) = self.filters else { return };
        let (o_blocks, tiles) = (self.plan.channel_blocks().1, self.plan.tiles(self.block));
        let stride_out = point_stride(o_blocks * tiles, S::LANES);
        let stride = point_stride(2 * tiles, S::LANES);
        let mut products = scratch::buffer(POINTS * stride);
        // SAFETY: the caller's promise, and the products' size.
        unsafe {
            filter_products::<S>(
                filters,
                pair,
                (o_blocks, tiles),
                (transformed, stride_out),
                (&mut products, stride),
            );
            for vector in 0..filters.vectors(pair) {
                let from = products.as_ptr().add(vector * tiles * S::LANES);
                for run in self.plan.runs(self.block) {
                    self.add_input::<S>(run, 2 * pair + vector, from, stride, pixels);
                }
            }
        }
    }

    /// The gradient of a run's output pixels before pooling and ReLU, zero beyond the image.
    #[inline(always)]
    unsafe fn output_pixels<S: Simd>(&self, run: Run, o: usize, pixels: *mut f32, other: *mut f32) {
        let (plan, g) = (self.plan, &self.plan.g);
        let width = 4 * plan.tile_columns;
        let channels = (g.c_out - o * S::LANES).min(S::LANES);
        let row_count = 4 * (run.end - run.start);
        // SAFETY: rows of the output's channels, whose lengths `Algorithm` asserted; `pixels` and `other` have room for
        // the run's rows of `4 tile_columns`.
        unsafe {
            if plan.epilogue.pool {
                self.unpool::<S>(run, o, pixels, other, channels);
                return;
            }
            let size = Image { channels, h: g.oh, w: g.ow };
            let image = (run.image * g.c_out + o * S::LANES) * g.oh * g.ow;
            let which = ((4 * run.start) as isize, row_count);
            pack_rows::<S>(self.output.grad.as_ptr().add(image), size, which, (0, width), pixels);
            if let Some(y) = self.output.y {
                pack_rows::<S>(y.as_ptr().add(image), size, which, (0, width), other);
                for i in 0..row_count * width {
                    let at = pixels.add(i * S::LANES);
                    let y = S::load(other.add(i * S::LANES));
                    S::store(at, S::where_positive(y, S::load(at)));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn unpool<S: Simd>(
        &self,
        run: Run,
        o: usize,
        pixels: *mut f32,
        pooled: *mut f32,
        channels: usize,
    ) {
        let (plan, g) = (self.plan, &self.plan.g);
        let width = 4 * plan.tile_columns;
        let (h, w) = plan.pooled();
        let (first_row, row_count) = (2 * run.start, 2 * (run.end - run.start));
        let o_blocks = plan.channel_blocks().1;
        // SAFETY: rows of the pooled gradient and of its argmax, as far as there are any; each goes to two rows of
        // `pixels`, whose `width` is `2 w` at least.
        unsafe {
            let image = (run.image * g.c_out + o * S::LANES) * h * w;
            let size = Image { channels, h, w };
            let grad = self.output.grad.as_ptr().add(image);
            pack_rows::<S>(grad, size, (first_row as isize, row_count), (0, w), pooled);
            let argmax =
                self.output.saved.as_ptr().add((run.image * o_blocks + o) * h * w * S::LANES);
            for row in 0..row_count {
                let to = pixels.add(2 * row * width * S::LANES);
                let below = to.add(width * S::LANES);
                if first_row + row >= h {
                    zero::<S>(to, 2 * width);
                    continue;
                }
                for column in 0..w {
                    let grad = S::load(pooled.add((row * w + column) * S::LANES));
                    let at = ((first_row + row) * w + column) * S::LANES;
                    let place = S::load_bytes(argmax.add(at));
                    let right = (2 * column + 1) * S::LANES;
                    let left = 2 * column * S::LANES;
                    let corners = [to.add(left), to.add(right), below.add(left), below.add(right)];
                    for (i, corner) in corners.into_iter().enumerate() {
                        let index = S::splat((i + 1) as f32);
                        S::store(corner, S::where_equal(place, index, grad));
                    }
                }
                for beyond in 2 * w..width {
                    S::store(to.add(beyond * S::LANES), S::splat(0.));
                    S::store(below.add(beyond * S::LANES), S::splat(0.));
                }
            }
        }
    }

    /// Adds the points' gradients of a run to its input pixels, for one vector of channels.
    #[inline(always)]
    unsafe fn add_input<S: Simd>(
        &self,
        run: Run,
        c: usize,
        products: *const f32,
        stride: usize,
        pixels: &mut [f32],
    ) {
        let (plan, g) = (self.plan, &self.plan.g);
        let width = plan.width();
        let pixels = pixels.as_mut_ptr();
        let row_count = 4 * (run.end - run.start) + 2;
        let channels = (g.c_in - c * S::LANES).min(S::LANES);
        let size = Image { channels, h: g.h, w: g.w };
        let first_row = (4 * run.start) as isize - g.padding.0 as isize;
        // SAFETY: `products` are those of the block's tiles, the run's among them; `pixels` holds `pixels_len`, which is
        // `4 rows_per_block + 2` rows of `4 tile_columns + 2` at least. Of the input's gradient these are the caller's
        // rows, and the two that the block above, which is done, shares with this one.
        unsafe {
            let image = self.dx.add((run.image * g.c_in + c * S::LANES) * g.h * g.w);
            zero::<S>(pixels, row_count * width);
            if run.start > 0 {
                // The block above wrote its part of the first two rows.
                pack_rows::<S>(image, size, (first_row, 2), (g.padding.1, width), pixels);
            }
            for row in 0..run.end - run.start {
                for tile in 0..plan.tile_columns {
                    let index = run.first_tile + row * plan.tile_columns + tile;
                    let from = products.add(index * S::LANES);
                    let to = pixels.add((4 * row * width + 4 * tile) * S::LANES);
                    let mut half = [[S::splat(0.); 6]; 6];
                    for j in 0..6 {
                        let v = load::<S, 6>(from.add(j * stride), 6 * stride);
                        for (half, v) in half.iter_mut().zip(transform::input_transposed::<S>(v)) {
                            half[j] = v;
                        }
                    }
                    for (i, half) in half.into_iter().enumerate() {
                        let pixel = transform::input_transposed::<S>(half);
                        for (j, v) in pixel.into_iter().enumerate() {
                            let at = to.add((i * width + j) * S::LANES);
                            S::store(at, S::add(S::load(at), v));
                        }
                    }
                }
            }
            unpack_rows::<S>(image, size, (first_row, row_count), (g.padding.1, width), pixels);
        }
    }
}
