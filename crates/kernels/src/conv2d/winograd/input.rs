//! From pixels of the input to points, and the products with the filters.

use super::filters::Packed;
use super::plan::{POINTS, Plan};
use super::transform;
use crate::microkernel::{Steps, rows};
use crate::nchwc::{Image, pack_rows};
use crate::simd::{Simd, load};
use std::ops::Range;

/// At each point the product of the tiles, `chunks` vectors of channels each, with the filters of a
/// pair: both of its vectors for all tiles, one after the other.
///
/// # Safety
///
/// `transformed` holds 36 matrices of as many vectors at its stride, `products` of two vectors a tile.
#[inline(always)]
pub(super) unsafe fn filter_products<S: Simd>(
    filters: &Packed,
    pair: usize,
    (chunks, tiles): (usize, usize),
    (transformed, stride_in): (*const f32, usize),
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
            let a = transformed.add(point * stride_in);
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
/// `transformed` holds 36 matrices of all channels at `stride`, of which no other task writes these;
/// `pixels` holds [`pixels_len`].
#[inline(always)]
pub(super) unsafe fn transform_input<S: Simd>(
    plan: &Plan,
    x: &[f32],
    block: usize,
    channels: Range<usize>,
    (transformed, stride): (*mut f32, usize),
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
            // SAFETY: `x` holds the plan's images, as `Algorithm` asserted, of which `pack_rows` takes these channels'
            // planes. A run has at most `rows_per_block` rows of tiles, so that its `4 rows + 2` rows of pixels and the
            // six half transformed ones fit `pixels`; a row of pixels is `4 tile_columns + 2` long, and the six of the
            // last tile end with it. A point's matrix has room for the block's tiles of every vector of channels.
            unsafe {
                let image = x.as_ptr().add((run.image * g.c_in + c * S::LANES) * g.h * g.w);
                let first_row = (4 * run.start) as isize - g.padding.0 as isize;
                let row_count = 4 * (run.end - run.start) + 2;
                pack_rows::<S>(image, size, (first_row, row_count), (g.padding.1, width), pixels);
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
                                S::store(transformed.add(at), v);
                            }
                        }
                    }
                }
            }
        }
    }
}
