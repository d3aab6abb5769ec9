//! The forward pass, one block of tiles a task.

use super::filters::{Packed, Rows, pack};
use super::{POINTS, Plan, Run, point_stride, transform, wide};
use crate::blocked::{Image, gather_rows, scatter_rows};
use crate::micro::{Steps, rows};
use crate::scratch::{Output, take};
use crate::simd::{Kernel, Simd, load, load_some};
use rayon::prelude::*;
use std::ops::Range;

/// The output, and for each pooled pixel in blocked order which of its four pixels won: 1 to 4,
/// or 0 where none gets a gradient, because the ReLU is flat there.
pub(in crate::conv2d) fn forward(
    plan: &Plan,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
) -> (Vec<f32>, Vec<u8>) {
    let g = &plan.g;
    assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    let filters = pack(plan.isa, w, g.c_in, g.c_out, Rows::Input);
    let mut y = Output::<f32>::new(plan.output_len());
    let mut winners = Output::<u8>::new(plan.winners_len());
    let outputs = (y.shared(), winners.shared());
    let block = |block| {
        let (y, winners) = (outputs.0.pointer(), outputs.1.pointer());
        ForwardBlock { plan, x, filters: &filters, bias, y, winners, block }
    };
    if plan.is_one_block() {
        wide::forward(plan, x, filters.pairs(), || block(0));
    } else {
        (0..plan.blocks()).into_par_iter().for_each(|i| plan.isa.run(block(i)));
    }
    // SAFETY: the blocks' tiles cover every row and column of every image's output.
    unsafe { (y.finish(), winners.finish()) }
}

pub(super) struct ForwardBlock<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    filters: &'a Packed,
    bias: Option<&'a [f32]>,
    y: *mut f32,
    winners: *mut u8,
    block: usize,
}

impl Kernel for ForwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let plan = self.plan;
        let (c_blocks, _) = plan.channel_blocks();
        let stride = point_stride(c_blocks * plan.tiles(self.block), S::LANES);
        let mut points = take(POINTS * stride);
        let mut pixels = take(pixels_len::<S>(plan));
        let to = (points.as_mut_ptr(), stride);
        // SAFETY: the buffers were taken at the sizes that the functions ask for; what a block
        // writes of the output are the rows of its own tiles.
        unsafe {
            transform_input::<S>(plan, self.x, self.block, 0..c_blocks, to, &mut pixels);
            for pair in 0..self.filters.pairs() {
                self.pair::<S>(pair, points.as_ptr(), &mut pixels);
            }
        }
    }
}

impl ForwardBlock<'_> {
    /// The outputs of a pair of vectors of channels, from the input's points.
    ///
    /// # Safety
    ///
    /// `points` holds those of [`transform_input`] for all channels, `pixels` [`pixels_len`]; no
    /// other task writes these channels of the block's rows.
    #[inline(always)]
    pub(super) unsafe fn pair<S: Simd>(&self, pair: usize, points: *const f32, pixels: &mut [f32]) {
        let (c_blocks, tiles) = (self.plan.channel_blocks().0, self.plan.tiles(self.block));
        let stride_in = point_stride(c_blocks * tiles, S::LANES);
        let stride = point_stride(2 * tiles, S::LANES);
        let vectors = self.filters.vectors(pair);
        let mut products = take(POINTS * stride);
        // SAFETY: the caller's promise, and the products' size.
        unsafe {
            filter_products::<S>(
                self.filters,
                pair,
                (c_blocks, tiles),
                (points, stride_in),
                (&mut products, stride),
            );
            for vector in 0..vectors {
                let from = products.as_ptr().add(vector * tiles * S::LANES);
                for run in self.plan.runs(self.block) {
                    self.finish::<S>(run, 2 * pair + vector, from, stride, pixels);
                }
            }
        }
    }
}

/// At each point the product of the tiles, `chunks` vectors of channels each, with the filters of a
/// pair: both of its vectors for all tiles, one after the other.
///
/// # Safety
///
/// `points` holds 36 matrices of as many vectors at its stride, `products` of two vectors a tile.
#[inline(always)]
pub(super) unsafe fn filter_products<S: Simd>(
    filters: &Packed,
    pair: usize,
    (chunks, tiles): (usize, usize),
    (points, stride_in): (*const f32, usize),
    (products, stride_out): (&mut [f32], usize),
) {
    let vectors = filters.vectors(pair);
    let steps = Steps {
        chunks,
        inner: S::LANES,
        a_step: 1,
        a_chunk: tiles * S::LANES,
        b_step: vectors * S::LANES,
        b_chunk: S::LANES * vectors * S::LANES,
        b_vector: S::LANES,
    };
    for point in 0..POINTS {
        // SAFETY: the caller's promise.
        unsafe {
            let a = points.add(point * stride_in);
            rows::<S>(
                steps,
                tiles,
                vectors,
                |tile| a.add(tile * S::LANES),
                filters.matrix(pair, point).as_ptr(),
                products.as_mut_ptr().add(point * stride_out),
                (S::LANES, tiles * S::LANES),
                false,
            );
        }
    }
}

/// Numbers that the pixels of a run need, of the input or the output.
pub(super) fn pixels_len<S: Simd>(plan: &Plan) -> usize {
    let rows = 4 * plan.rows_per_block + 2;
    // The rows of pixels, and one row of tiles half transformed.
    (rows + 6) * plan.width() * S::LANES
}

/// Transforms some vectors of channels of a block's input: point `p` of channel vector `c` and tile
/// `t` goes to vector `c * tiles + t` of point `p`'s matrix.
///
/// # Safety
///
/// `points` holds 36 matrices of all channels at `stride`, of which no other task writes these;
/// `pixels` holds [`pixels_len`].
#[inline(always)]
pub(super) unsafe fn transform_input<S: Simd>(
    plan: &Plan,
    x: &[f32],
    block: usize,
    channels: Range<usize>,
    (points, stride): (*mut f32, usize),
    pixels: &mut [f32],
) {
    let (g, tiles) = (&plan.g, plan.tiles(block));
    let width = plan.width();
    let (block_rows, half) = pixels.split_at_mut((4 * plan.rows_per_block + 2) * width * S::LANES);
    let (pixels, half) = (block_rows.as_mut_ptr(), half.as_mut_ptr());
    for c in channels {
        let channels = (g.c_in - c * S::LANES).min(S::LANES);
        let size = Image { channels, h: g.h, w: g.w };
        for run in plan.runs(block) {
            unsafe {
                let image = x.as_ptr().add((run.image * g.c_in + c * S::LANES) * g.h * g.w);
                let first_row = (4 * run.start) as isize - g.padding.0 as isize;
                let row_count = 4 * (run.end - run.start) + 2;
                gather_rows::<S>(image, size, (first_row, row_count), (g.padding.1, width), pixels);
                for row in 0..run.end - run.start {
                    let from = pixels.add(4 * row * width * S::LANES);
                    for column in 0..width {
                        let d = load::<S, 6>(from.add(column * S::LANES), width * S::LANES);
                        for (i, v) in transform::input::<S>(d).into_iter().enumerate() {
                            S::store(half.add((i * width + column) * S::LANES), v);
                        }
                    }
                    let first = c * tiles + run.first_tile + row * plan.tile_columns;
                    for tile in 0..plan.tile_columns {
                        for i in 0..6 {
                            let from = half.add((i * width + 4 * tile) * S::LANES);
                            let d = load::<S, 6>(from, S::LANES);
                            for (j, v) in transform::input::<S>(d).into_iter().enumerate() {
                                let at = (i * 6 + j) * stride + (first + tile) * S::LANES;
                                S::store(points.add(at), v);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl ForwardBlock<'_> {
    /// From points to output pixels, for one run and one vector of output channels.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        run: Run,
        o: usize,
        products: *const f32,
        stride: usize,
        pixels: &mut [f32],
    ) {
        let (plan, g) = (self.plan, &self.plan.g);
        let width = 4 * plan.tile_columns;
        let pixels = pixels.as_mut_ptr();
        let channels = (g.c_out - o * S::LANES).min(S::LANES);
        let row_count = 4 * (run.end - run.start);
        unsafe {
            let bias = match self.bias {
                Some(bias) => load_some::<S>(bias[o * S::LANES..].as_ptr(), channels),
                None => S::splat(0.),
            };
            for row in 0..run.end - run.start {
                for tile in 0..plan.tile_columns {
                    let index = run.first_tile + row * plan.tile_columns + tile;
                    let to = pixels.add((4 * row * width + 4 * tile) * S::LANES);
                    let from = products.add(index * S::LANES);
                    inverse::<S>(from, stride, bias, plan.tail.relu, to, width);
                }
            }
            if plan.tail.pool {
                self.pool::<S>(run, o, pixels, channels);
            } else {
                let size = Image { channels, h: g.oh, w: g.ow };
                let image = (run.image * g.c_out + o * S::LANES) * g.oh * g.ow;
                let first_row = (4 * run.start) as isize;
                scatter_rows::<S>(
                    self.y.add(image),
                    size,
                    (first_row, row_count),
                    (0, width),
                    pixels,
                );
            }
        }
    }

    /// The largest of each 2x2 pixels. A block's rows are a multiple of four, so windows lie
    /// within it; pooled rows overwrite rows that were read before.
    #[inline(always)]
    unsafe fn pool<S: Simd>(&self, run: Run, o: usize, pixels: *mut f32, channels: usize) {
        let (plan, g) = (self.plan, &self.plan.g);
        let width = 4 * plan.tile_columns;
        let (h, w) = plan.pooled();
        let first_row = 2 * run.start;
        let rows = (2 * (run.end - run.start)).min(h.saturating_sub(first_row));
        let o_blocks = plan.channel_blocks().1;
        unsafe {
            let winners =
                self.winners.add(((run.image * o_blocks + o) * h + first_row) * w * S::LANES);
            for row in 0..rows {
                for column in 0..w {
                    let from = pixels.add((2 * row * width + 2 * column) * S::LANES);
                    let below = from.add(width * S::LANES);
                    let (mut best, mut winner) = (S::load(from), S::splat(1.));
                    let others = [(from.add(S::LANES), 2.), (below, 3.), (below.add(S::LANES), 4.)];
                    for (other, index) in others {
                        (best, winner) =
                            S::later_maximum(best, winner, S::load(other), S::splat(index));
                    }
                    if plan.tail.relu {
                        winner = S::where_positive(best, winner);
                    }
                    // Not beyond the pixels that are still to be read: row and column are halved.
                    S::store(pixels.add((row * w + column) * S::LANES), best);
                    S::store_bytes(winners.add((row * w + column) * S::LANES), winner);
                }
            }
            let size = Image { channels, h, w };
            let image = (run.image * g.c_out + o * S::LANES) * h * w;
            scatter_rows::<S>(self.y.add(image), size, (first_row as isize, rows), (0, w), pixels);
        }
    }
}

/// One tile's 36 points to its 16 pixels.
#[inline(always)]
unsafe fn inverse<S: Simd>(
    from: *const f32,
    stride: usize,
    bias: S::Vector,
    relu: bool,
    to: *mut f32,
    width: usize,
) {
    unsafe {
        let mut half = [[S::splat(0.); 6]; 4];
        for j in 0..6 {
            let m = load::<S, 6>(from.add(j * stride), 6 * stride);
            for (half, v) in half.iter_mut().zip(transform::output::<S>(m)) {
                half[j] = v;
            }
        }
        for (i, half) in half.into_iter().enumerate() {
            for (j, v) in transform::output::<S>(half).into_iter().enumerate() {
                let v = S::add(v, bias);
                let v = if relu { S::relu(v) } else { v };
                S::store(to.add((i * width + j) * S::LANES), v);
            }
        }
    }
}
