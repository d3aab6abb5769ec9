//! The backward pass: one piece of the batch a task, block by block.

use super::filters::{Packed, Rows, pack, unpack};
use super::forward::{pixels_len, transform_input};
use super::{POINTS, Plan, Run, point_stride, transform};
use crate::blocked::{Planes, gather, scatter, zero};
use crate::micro::{Steps, rows};
use crate::scratch::{self, Scratch, take};
use crate::simd::{Kernel, Simd, load};
use rayon::prelude::*;

/// The forward pass's output and winners, and the gradient of the output.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct Output<'a> {
    pub y: &'a [f32],
    pub winners: &'a [u8],
    pub grad: &'a [f32],
}

/// Pieces of the batch whose weight gradients are summed apart, then in order. A fixed number:
/// results do not depend on the number of threads.
const PIECES: usize = 16;

/// Numbers that all pieces' partial gradients may take: 64 MiB.
const PARTIALS: usize = 1 << 24;

/// The gradients that are wanted, of `x`, weight and bias.
pub(in crate::conv2d) fn backward(
    plan: &Plan,
    x: &[f32],
    w: &[f32],
    output: Output,
    wanted: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    let g = &plan.g;
    assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
    assert_eq!(output.grad.len(), plan.output_len());
    assert_eq!(output.winners.len(), plan.winners_len());
    assert!(!plan.tail.relu || plan.tail.pool || output.y.len() == output.grad.len());
    let [want_x, want_w, want_bias] = wanted;
    let lanes = plan.isa.lanes();
    let (c_blocks, o_blocks) = plan.channel_blocks();
    let partial_len = POINTS * c_blocks * o_blocks * lanes * lanes;
    let filters = want_x.then(|| pack(plan.isa, w, g.c_in, g.c_out, Rows::Output));
    let mut dx = scratch::Output::<f32>::new(if want_x { x.len() } else { 0 });
    let shared = dx.shared();

    // A piece is whole images: their blocks add to the same rows of the input gradient.
    let images = g.n.div_ceil((PARTIALS / partial_len).clamp(1, PIECES));
    let images = images.next_multiple_of(plan.images_per_block).max(1);
    let per_image = if plan.images_per_block > 1 { 1 } else { plan.blocks_per_image() };
    let blocks = images / plan.images_per_block * per_image;
    let partials: Vec<(Scratch, Scratch)> = (0..g.n.div_ceil(images))
        .into_par_iter()
        .map(|piece| {
            let mut dw = take(if want_w { partial_len } else { 0 });
            let mut db = take(o_blocks * lanes);
            dw.fill(0.);
            db.fill(0.);
            let range = piece * blocks..((piece + 1) * blocks).min(plan.blocks());
            let filters = filters.as_ref();
            for block in range {
                let dx = shared.pointer();
                let (dw, db) = (want_w.then_some(&mut *dw), &mut *db);
                plan.isa.run(BackwardBlock { plan, x, filters, output, block, dx, dw, db });
            }
            (dw, db)
        })
        .collect();
    let (dw, db): (Vec<Scratch>, Vec<Scratch>) = partials.into_iter().unzip();
    [
        // SAFETY: the blocks' tiles cover every row and column of every image.
        want_x.then(|| unsafe { dx.finish() }),
        want_w.then(|| unpack(plan.isa, &dw, g.c_in, g.c_out)),
        want_bias.then(|| (0..g.c_out).map(|o| db.iter().map(|db| db[o]).sum()).collect()),
    ]
}

struct BackwardBlock<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    /// Without them the input gradient is not computed.
    filters: Option<&'a Packed>,
    output: Output<'a>,
    block: usize,
    dx: *mut f32,
    dw: Option<&'a mut [f32]>,
    db: &'a mut [f32],
}

impl Kernel for BackwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let plan = self.plan;
        let (c_blocks, o_blocks) = plan.channel_blocks();
        let tiles = plan.tiles(self.block);
        let stride_in = point_stride(c_blocks * tiles, S::LANES);
        let stride_out = point_stride(o_blocks * tiles, S::LANES);
        let mut gradients = take(POINTS * stride_out);
        let mut pixels = take(2 * pixels_len::<S>(plan));
        // SAFETY: the buffers were taken at the sizes that the functions ask for; of the input
        // gradient, the images of a piece belong to its task alone.
        unsafe {
            self.transform_gradient::<S>(tiles, stride_out, &mut gradients, &mut pixels);
            if let Some(dw) = self.dw.take() {
                let mut points = take(POINTS * stride_in);
                transform_input::<S>(
                    plan,
                    self.x,
                    self.block,
                    tiles,
                    stride_in,
                    &mut points,
                    &mut pixels,
                );
                weight_products::<S>(
                    plan,
                    tiles,
                    (&gradients, stride_out),
                    (&points, stride_in),
                    dw,
                );
            }
            if let Some(filters) = self.filters {
                let stride = point_stride(2 * tiles, S::LANES);
                let mut products = take(POINTS * stride);
                for pair in 0..filters.pairs() {
                    let vectors = filters.vectors(pair);
                    let steps = Steps {
                        chunks: o_blocks,
                        inner: S::LANES,
                        a_step: 1,
                        a_chunk: tiles * S::LANES,
                        b_step: vectors * S::LANES,
                        b_chunk: S::LANES * vectors * S::LANES,
                        b_vector: S::LANES,
                    };
                    for point in 0..POINTS {
                        let a = gradients.as_ptr().add(point * stride_out);
                        rows::<S>(
                            steps,
                            tiles,
                            vectors,
                            |tile| a.add(tile * S::LANES),
                            filters.matrix(pair, point).as_ptr(),
                            products.as_mut_ptr().add(point * stride),
                            (S::LANES, tiles * S::LANES),
                            false,
                        );
                    }
                    for vector in 0..vectors {
                        let from = products.as_ptr().add(vector * tiles * S::LANES);
                        for run in plan.runs(self.block) {
                            self.add_input::<S>(run, 2 * pair + vector, from, stride, &mut pixels);
                        }
                    }
                }
            }
        }
    }
}

/// Adds to the points' gradients `dw[o][c] += sum over tiles of gradient[o] * input[c]`.
#[inline(always)]
unsafe fn weight_products<S: Simd>(
    plan: &Plan,
    tiles: usize,
    (gradients, stride_out): (&[f32], usize),
    (points, stride_in): (&[f32], usize),
    dw: &mut [f32],
) {
    let (c_blocks, o_blocks) = plan.channel_blocks();
    let (row_count, columns) = (o_blocks * S::LANES, c_blocks * S::LANES);
    let steps = Steps {
        chunks: 1,
        inner: tiles,
        a_step: S::LANES,
        a_chunk: 0,
        b_step: S::LANES,
        b_chunk: 0,
        b_vector: tiles * S::LANES,
    };
    for point in 0..POINTS {
        for c in (0..c_blocks).step_by(2) {
            unsafe {
                let a = gradients.as_ptr().add(point * stride_out);
                rows::<S>(
                    steps,
                    row_count,
                    (c_blocks - c).min(2),
                    |o| a.add(o / S::LANES * tiles * S::LANES + o % S::LANES),
                    points.as_ptr().add(point * stride_in + c * tiles * S::LANES),
                    dw.as_mut_ptr().add(point * row_count * columns + c * S::LANES),
                    (columns, S::LANES),
                    true,
                );
            }
        }
    }
}

impl BackwardBlock<'_> {
    /// Transforms the gradient of the output pixels, and adds up that of the bias.
    ///
    /// # Safety
    ///
    /// `points` holds 36 matrices at `stride`, `pixels` twice [`pixels_len`].
    #[inline(always)]
    unsafe fn transform_gradient<S: Simd>(
        &mut self,
        tiles: usize,
        stride: usize,
        points: &mut [f32],
        pixels: &mut [f32],
    ) {
        let plan = self.plan;
        let width = 4 * plan.tile_columns;
        let (pixels, other) = pixels.split_at_mut(pixels_len::<S>(plan));
        let (pixels, half) = pixels.split_at_mut(4 * plan.rows_per_block * width * S::LANES);
        let (pixels, half, points) = (pixels.as_mut_ptr(), half.as_mut_ptr(), points.as_mut_ptr());
        for o in 0..plan.channel_blocks().1 {
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
                                    S::store(points.add(at), v);
                                }
                            }
                        }
                    }
                }
                let db = self.db[o * S::LANES..][..S::LANES].as_mut_ptr();
                S::store(db, S::add(S::load(db), bias));
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
        unsafe {
            if plan.tail.pool {
                self.unpool::<S>(run, o, pixels, other, channels);
                return;
            }
            let planes = Planes { channels, h: g.oh, w: g.ow };
            let image = (run.image * g.c_out + o * S::LANES) * g.oh * g.ow;
            let which = ((4 * run.start) as isize, row_count);
            gather::<S>(self.output.grad.as_ptr().add(image), planes, which, (0, width), pixels);
            if plan.tail.relu {
                gather::<S>(self.output.y.as_ptr().add(image), planes, which, (0, width), other);
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
        unsafe {
            let image = (run.image * g.c_out + o * S::LANES) * h * w;
            let planes = Planes { channels, h, w };
            let grad = self.output.grad.as_ptr().add(image);
            gather::<S>(grad, planes, (first_row as isize, row_count), (0, w), pooled);
            let winners =
                self.output.winners.as_ptr().add((run.image * o_blocks + o) * h * w * S::LANES);
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
                    let winner = S::load_bytes(winners.add(at));
                    let right = (2 * column + 1) * S::LANES;
                    let left = 2 * column * S::LANES;
                    let corners = [to.add(left), to.add(right), below.add(left), below.add(right)];
                    for (i, corner) in corners.into_iter().enumerate() {
                        let index = S::splat((i + 1) as f32);
                        S::store(corner, S::where_equal(winner, index, grad));
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
        let planes = Planes { channels, h: g.h, w: g.w };
        let first_row = (4 * run.start) as isize - g.padding.0 as isize;
        unsafe {
            let image = self.dx.add((run.image * g.c_in + c * S::LANES) * g.h * g.w);
            zero::<S>(pixels, row_count * width);
            if run.start > 0 {
                // The block above wrote its part of the first two rows.
                gather::<S>(image, planes, (first_row, 2), (g.padding.1, width), pixels);
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
            scatter::<S>(image, planes, (first_row, row_count), (g.padding.1, width), pixels);
        }
    }
}
