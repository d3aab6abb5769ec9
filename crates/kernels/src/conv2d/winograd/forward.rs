//! The forward pass of one block of tiles.

use super::filters::Packed;
use super::input::{filter_products, pixels_len, transform_input};
use super::plan::{POINTS, Plan, Run, point_stride};
use super::transform;
use crate::nchwc::{Image, unpack_rows};
use crate::scratch;
use crate::simd::{Kernel, Simd, load, load_some};

pub(super) struct ForwardBlock<'a> {
    pub plan: &'a Plan,
    pub x: &'a [f32],
    pub filters: &'a Packed,
    pub bias: Option<&'a [f32]>,
    pub y: *mut f32,
    pub argmax: *mut u8,
    pub block: usize,
}

impl Kernel for ForwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let plan = self.plan;
        let (c_blocks, _) = plan.channel_blocks();
        let stride = point_stride(c_blocks * plan.tiles(self.block), S::LANES);
        let mut transformed = scratch::buffer(POINTS * stride);
        let mut pixels = scratch::buffer(pixels_len::<S>(plan));
        let to = (transformed.as_mut_ptr(), stride);
        // SAFETY: the buffers were taken at the sizes that the functions ask for; what a block
        // writes of the output are the rows of its own tiles.
        unsafe {
            transform_input::<S>(plan, self.x, self.block, 0..c_blocks, to, &mut pixels);
            for pair in 0..self.filters.pairs() {
                self.pair::<S>(pair, transformed.as_ptr(), &mut pixels);
            }
        }
    }
}

impl ForwardBlock<'_> {
    /// The outputs of a pair of vectors of channels, from the input's points.
    ///
    /// # Safety
    ///
    /// `transformed` holds those of [`transform_input`] for all channels, `pixels` [`pixels_len`]; no
    /// other task writes these channels of the block's rows.
    #[inline(always)]
    pub(super) unsafe fn pair<S: Simd>(
        &self,
        pair: usize,
        transformed: *const f32,
        pixels: &mut [f32],
    ) {
        let (c_blocks, tiles) = (self.plan.channel_blocks().0, self.plan.tiles(self.block));
        let stride_in = point_stride(c_blocks * tiles, S::LANES);
        let stride = point_stride(2 * tiles, S::LANES);
        let vectors = self.filters.vectors(pair);
        let mut products = scratch::buffer(POINTS * stride);
        // SAFETY: the caller's promise, and the products' size.
        unsafe {
            filter_products::<S>(
                self.filters,
                pair,
                (c_blocks, tiles),
                (transformed, stride_in),
                (&mut products, stride),
            );
            for vector in 0..vectors {
                let from = products.as_ptr().add(vector * tiles * S::LANES);
                for run in self.plan.runs(self.block) {
                    self.write_output::<S>(run, 2 * pair + vector, from, stride, pixels);
                }
            }
        }
    }
}

impl ForwardBlock<'_> {
    /// From points to output pixels, for one run and one vector of output channels.
    #[inline(always)]
    unsafe fn write_output<S: Simd>(
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
        // SAFETY: `products` are those of the block's tiles, the run's among them; `pixels` holds `4 rows_per_block`
        // rows of `4 tile_columns`. Of the output, `unpack_rows` writes the rows that exist of these channels.
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
                    inverse::<S>(from, stride, bias, plan.epilogue.activation, to, width);
                }
            }
            if plan.epilogue.pool {
                self.pool::<S>(run, o, pixels, channels);
            } else {
                let size = Image { channels, h: g.oh, w: g.ow };
                let image = (run.image * g.c_out + o * S::LANES) * g.oh * g.ow;
                let first_row = (4 * run.start) as isize;
                unpack_rows::<S>(
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
        // SAFETY: `2 row + 1 < 2 h <= oh`, and likewise of columns, so that all four pixels were written by `inverse`;
        // of the argmax, `argmax_len` long, the rows of this run's image and channels.
        unsafe {
            let argmax =
                self.argmax.add(((run.image * o_blocks + o) * h + first_row) * w * S::LANES);
            for row in 0..rows {
                for column in 0..w {
                    let from = pixels.add((2 * row * width + 2 * column) * S::LANES);
                    let below = from.add(width * S::LANES);
                    let (mut best, mut place) = (S::load(from), S::splat(1.));
                    let others = [(from.add(S::LANES), 2.), (below, 3.), (below.add(S::LANES), 4.)];
                    for (other, index) in others {
                        (best, place) =
                            S::later_maximum(best, place, S::load(other), S::splat(index));
                    }
                    if plan.epilogue.activation {
                        place = S::where_positive(best, place);
                    }
                    // Not beyond the pixels that are still to be read: row and column are halved.
                    S::store(pixels.add((row * w + column) * S::LANES), best);
                    S::store_bytes(argmax.add((row * w + column) * S::LANES), place);
                }
            }
            let size = Image { channels, h, w };
            let image = (run.image * g.c_out + o * S::LANES) * h * w;
            unpack_rows::<S>(self.y.add(image), size, (first_row as isize, rows), (0, w), pixels);
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
    // SAFETY: the caller's promise: 36 points, `stride` apart, and four rows of four pixels, `width` apart.
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
