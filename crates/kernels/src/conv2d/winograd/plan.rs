//! How a convolution is cut into blocks of tiles.

use crate::conv2d::algorithm::Epilogue;
use crate::conv2d::geometry::Geometry;
use crate::simd::Isa;

/// Points of a transformed tile.
pub(super) const POINTS: usize = 36;

/// Tiles that a block aims at: few enough for their transforms to stay in the second-level cache,
/// enough to make the products long.
const TILES_PER_BLOCK: usize = 36;

/// As many tiles are one block: there are too few blocks of them to share out, and each would stream
/// all filters, which are many where planes are small.
const TILES_OF_ONE_BLOCK: usize = 128;

/// A convolution cut into blocks of tiles.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv2d) struct Plan {
    pub(super) g: Geometry,
    pub(super) isa: Isa,
    pub(super) epilogue: Epilogue,
    /// Rows and columns of tiles in an image.
    pub(super) tile_rows: usize,
    pub(super) tile_columns: usize,
    /// Whole images, or rows of tiles of one image, that make a block.
    pub(super) images_per_block: usize,
    pub(super) rows_per_block: usize,
}

/// Rows of tiles of one image within a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub image: usize,
    /// Rows of tiles `start..end`.
    pub start: usize,
    pub end: usize,
    /// Index in the block of the run's first tile.
    pub first_tile: usize,
}

impl Plan {
    pub fn new(g: Geometry, isa: Isa, epilogue: Epilogue) -> Self {
        let (tile_rows, tile_columns) = (g.oh.div_ceil(4), g.ow.div_ceil(4));
        let tiles = match g.n * tile_rows * tile_columns {
            tiles if tiles <= TILES_OF_ONE_BLOCK => tiles,
            _ => TILES_PER_BLOCK,
        };
        Self {
            g,
            isa,
            epilogue,
            tile_rows,
            tile_columns,
            images_per_block: (tiles / (tile_rows * tile_columns)).max(1),
            rows_per_block: (tiles / tile_columns).clamp(1, tile_rows),
        }
    }

    /// Whether the convolution is one that the algorithm computes.
    pub fn fits(g: &Geometry) -> bool {
        (g.kh, g.kw, g.stride, g.dilation, g.groups) == (3, 3, (1, 1), (1, 1), 1)
    }

    pub fn blocks_per_image(&self) -> usize {
        self.tile_rows.div_ceil(self.rows_per_block)
    }

    pub fn blocks(&self) -> usize {
        if self.images_per_block > 1 {
            self.g.n.div_ceil(self.images_per_block)
        } else {
            self.g.n * self.blocks_per_image()
        }
    }

    pub fn is_one_block(&self) -> bool {
        self.blocks() == 1
    }

    pub(super) fn runs(self, block: usize) -> impl Iterator<Item = Run> + Clone {
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

    pub fn tiles(&self, block: usize) -> usize {
        self.runs(block).map(|run| (run.end - run.start) * self.tile_columns).sum()
    }

    /// Vectors of input channels, and of output channels.
    pub fn channel_blocks(&self) -> (usize, usize) {
        let lanes = self.isa.lanes();
        (self.g.c_in.div_ceil(lanes), self.g.c_out.div_ceil(lanes))
    }

    /// Columns of the input that a row of tiles covers, padding included.
    pub fn width(&self) -> usize {
        4 * self.tile_columns + 2
    }

    /// The pooled output, rows and columns.
    pub fn pooled(&self) -> (usize, usize) {
        (self.g.oh / 2, self.g.ow / 2)
    }

    /// Length of the output.
    pub fn output_len(&self) -> usize {
        let (h, w) = if self.epilogue.pool { self.pooled() } else { (self.g.oh, self.g.ow) };
        self.g.n * self.g.c_out * h * w
    }

    /// Length of the places of the pooled maxima.
    pub fn argmax_len(&self) -> usize {
        let (h, w) = if self.epilogue.pool { self.pooled() } else { (0, 0) };
        self.g.n * self.channel_blocks().1 * self.isa.lanes() * h * w
    }
}

/// Distance between two points' matrices of `vectors` vectors: an odd number of cache lines, so
/// that the 36 stores of a tile fall into different sets of the cache.
pub(super) fn point_stride(vectors: usize, lanes: usize) -> usize {
    ((vectors * lanes).div_ceil(16) | 1) * 16
}
