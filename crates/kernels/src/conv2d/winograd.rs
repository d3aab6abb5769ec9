//! Winograd convolution F(4x4, 3x3): 3x3 filters at stride 1 with a quarter of the
//! multiplications of a direct kernel.
//!
//! The output is cut into tiles of 4x4, each from 6x6 input pixels. A block of tiles goes through
//! three steps that stay in a core's cache: transform of the input (per channel), a product over
//! channels at each of 36 points, inverse transform with bias, ReLU and 2x2 pooling applied. The
//! backward pass transposes the same steps: the gradient's transform serves both the weight
//! gradient (a product over tiles) and the input gradient (a product over output channels).
//!
//! Blocks are shared out among the threads; where all tiles are one block, its channels are.
//!
//! Error: the transforms lose about three bits against a direct kernel, some 3e-6 relative.

mod backward;
mod filters;
mod forward;
mod transform;
mod wide;

use super::Geometry;
use crate::simd::Isa;

pub(super) use backward::{Output, backward};
pub(super) use forward::forward;

/// Points of a transformed tile.
const POINTS: usize = 36;

/// Tiles that a block aims at: few enough for their transforms to stay in the second-level cache,
/// enough to make the products long.
const BLOCK: usize = 36;

/// As many tiles are one block: there are too few blocks of them to share out, and each would stream
/// all filters, which are many where planes are small.
const ONE_BLOCK: usize = 128;

/// What follows the convolution within the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub relu: bool,
    /// Max-pooling by 2x2 windows side by side.
    pub pool: bool,
}

/// A convolution cut into blocks of tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    g: Geometry,
    isa: Isa,
    tail: Tail,
    /// Rows and columns of tiles in an image.
    tile_rows: usize,
    tile_columns: usize,
    /// Whole images, or rows of tiles of one image, that make a block.
    images_per_block: usize,
    rows_per_block: usize,
}

/// Rows of tiles of one image within a block.
#[derive(Clone, Copy, Debug)]
struct Run {
    image: usize,
    /// Rows of tiles `start..end`.
    start: usize,
    end: usize,
    /// Index in the block of the run's first tile.
    first_tile: usize,
}

impl Plan {
    pub(super) fn new(g: Geometry, isa: Isa, tail: Tail) -> Self {
        let (tile_rows, tile_columns) = (g.oh.div_ceil(4), g.ow.div_ceil(4));
        let tiles = match g.n * tile_rows * tile_columns {
            tiles if tiles <= ONE_BLOCK => tiles,
            _ => BLOCK,
        };
        Self {
            g,
            isa,
            tail,
            tile_rows,
            tile_columns,
            images_per_block: (tiles / (tile_rows * tile_columns)).max(1),
            rows_per_block: (tiles / tile_columns).clamp(1, tile_rows),
        }
    }

    /// Whether the convolution is one that the algorithm computes.
    pub(super) fn fits(g: &Geometry) -> bool {
        (g.kh, g.kw, g.stride, g.dilation, g.groups) == (3, 3, (1, 1), (1, 1), 1)
    }

    fn blocks_per_image(&self) -> usize {
        self.tile_rows.div_ceil(self.rows_per_block)
    }

    fn blocks(&self) -> usize {
        if self.images_per_block > 1 {
            self.g.n.div_ceil(self.images_per_block)
        } else {
            self.g.n * self.blocks_per_image()
        }
    }

    fn is_one_block(&self) -> bool {
        self.blocks() == 1
    }

    fn runs(self, block: usize) -> impl Iterator<Item = Run> + Clone {
        let (first, count) = if self.images_per_block > 1 {
            let first = block * self.images_per_block;
            (first, self.images_per_block.min(self.g.n - first))
        } else {
            (block / self.blocks_per_image(), 1)
        };
        let (start, end) = if self.images_per_block > 1 {
            (0, self.tile_rows)
        } else {
            let start = block % self.blocks_per_image() * self.rows_per_block;
            (start, (start + self.rows_per_block).min(self.tile_rows))
        };
        let tiles = (end - start) * self.tile_columns;
        (0..count).map(move |i| Run { image: first + i, start, end, first_tile: i * tiles })
    }

    fn tiles(&self, block: usize) -> usize {
        self.runs(block).map(|run| (run.end - run.start) * self.tile_columns).sum()
    }

    pub(super) fn pools(&self) -> bool {
        self.tail.pool
    }

    /// Vectors of input channels, and of output channels.
    fn channel_blocks(&self) -> (usize, usize) {
        let lanes = self.isa.lanes();
        (self.g.c_in.div_ceil(lanes), self.g.c_out.div_ceil(lanes))
    }

    /// Columns of the input that a row of tiles covers, padding included.
    fn width(&self) -> usize {
        4 * self.tile_columns + 2
    }

    /// The pooled output, rows and columns.
    fn pooled(&self) -> (usize, usize) {
        (self.g.oh / 2, self.g.ow / 2)
    }

    /// Length of the output, and of the list of pooling winners.
    pub(super) fn output_len(&self) -> usize {
        let (h, w) = if self.tail.pool { self.pooled() } else { (self.g.oh, self.g.ow) };
        self.g.n * self.g.c_out * h * w
    }

    pub(super) fn winners_len(&self) -> usize {
        let (h, w) = if self.tail.pool { self.pooled() } else { (0, 0) };
        self.g.n * self.channel_blocks().1 * self.isa.lanes() * h * w
    }
}

/// Distance between two points' matrices of `vectors` vectors: an odd number of cache lines, so
/// that the 36 stores of a tile fall into different sets of the cache.
fn point_stride(vectors: usize, lanes: usize) -> usize {
    ((vectors * lanes).div_ceil(16) | 1) * 16
}
