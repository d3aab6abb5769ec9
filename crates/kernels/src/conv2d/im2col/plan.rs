//! How the columns are cut into chunks, and packed.

use super::layout::{Columns, Padded};
use super::patches;
use crate::activation::Activation;
use crate::conv2d::geometry::Geometry;
use crate::gemm::{Matrix, PackPanel, Panels};
use crate::scratch::{self, Scratch};
use crate::simd::Isa;
use std::ops::Range;

/// Numbers in the panels that are packed at once: half of a small second-level cache.
const PANEL_NUMBERS: usize = 1 << 16;

/// Pixels of a plane that is too small to be a panel's columns.
pub(in crate::conv2d) const SMALL_PLANE: usize = 64;

/// Numbers in which images of small planes are laid side by side: 64 MiB.
const MOST_JOINED: usize = 1 << 24;

/// A convolution cut into pieces.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv2d) struct Plan {
    pub(super) g: Geometry,
    pub(super) isa: Isa,
    pub(super) activation: Option<Activation>,
}

impl Plan {
    pub fn new(g: Geometry, isa: Isa, activation: Option<Activation>) -> Self {
        assert!(Self::fits(&g));
        Self { g, isa, activation }
    }

    pub fn fits(g: &Geometry) -> bool {
        g.groups == 1
    }

    /// Length of a filter: rows of the column matrix.
    pub fn depth(&self) -> usize {
        self.g.c_in * self.g.kh * self.g.kw
    }

    /// Pixels of an output plane: columns of an image.
    pub fn plane(&self) -> usize {
        self.g.oh * self.g.ow
    }

    pub fn input(&self) -> usize {
        self.g.c_in * self.g.h * self.g.w
    }

    pub fn output(&self) -> usize {
        self.g.c_out * self.plane()
    }

    /// Whether the columns are the image itself.
    pub fn pointwise(&self) -> bool {
        let g = &self.g;
        (g.kh, g.kw, g.stride, g.padded()) == (1, 1, (1, 1), (g.h, g.w))
    }

    /// Whether the columns are copied as windows.
    pub fn patched(&self) -> bool {
        patches::fits(&self.g) && !self.has_small_planes()
    }

    /// Whether all columns are packed at once: few of them, and filters so long and many that each
    /// piece of the batch would do little but read them and add to their gradient; or such that an image's columns are
    /// the image itself, and fill no panels.
    pub fn has_small_planes(&self) -> bool {
        let columns = self.g.n * self.plane();
        if self.pointwise() {
            let numbers = columns.saturating_mul(self.depth().max(self.g.c_out));
            return self.g.n > 1 && self.plane() <= SMALL_PLANE && numbers <= MOST_JOINED;
        }
        (1..=512).contains(&columns) && 2 * columns <= self.depth()
    }

    /// Images whose columns are packed side by side: several where one fills no panels.
    pub fn images(&self) -> usize {
        if self.pointwise() { 1 } else { (64 / self.plane()).clamp(1, 16) }
    }

    /// Columns that are packed at once.
    pub fn chunk(&self) -> usize {
        let width = 2 * self.isa.lanes();
        (PANEL_NUMBERS / self.depth().max(self.g.c_out) / width).clamp(2, 64) * width
    }

    /// The columns of some images, in chunks.
    pub fn chunks(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (chunk, columns) = (self.chunk(), images * self.plane());
        (0..columns).step_by(chunk).map(move |first| first..(first + chunk).min(columns))
    }

    /// Packs columns of the images in `x`; `padded` holds them as [`pad`](Self::pad) lays them out.
    pub fn pack(&self, x: &[f32], padded: &[f32], columns: Range<usize>) -> Panels {
        let mut panels = Panels::new(self.isa, self.depth(), columns.len());
        if self.pointwise() || self.patched() {
            let depth = self.depth();
            let b = match self.pointwise() {
                true => Matrix::new(x, depth, self.plane()),
                false => Matrix::new(padded, padded.len() / depth, depth).transposed(),
            };
            let (len, width) = panels.panel();
            for (panel, out) in panels.data_mut().chunks_mut(len).enumerate() {
                self.isa.run(PackPanel { b, first: columns.start + panel * width, out });
            }
        } else {
            let layout = Padded::new(&self.g, self.isa);
            Columns { g: &self.g, layout, first: columns.start }.pack(
                self.isa,
                padded,
                &mut panels,
            );
        }
        panels
    }

    /// The images as the columns are packed from them.
    pub fn pad(&self, x: &[f32]) -> Scratch {
        if self.pointwise() {
            return scratch::buffer(0);
        }
        if self.patched() {
            let mut windows = scratch::buffer(x.len() / self.input() * self.plane() * self.depth());
            patches::pack(&self.g, x, &mut windows);
            return windows;
        }
        let layout = Padded::new(&self.g, self.isa);
        let mut padded = scratch::buffer(x.len() / self.input() * layout.image() + layout.slack());
        padded.fill(0.);
        layout.fill(self.isa, &self.g, x, &mut padded);
        padded
    }
}

/// All rows and panels of a product.
pub(super) fn whole(a: Matrix<f32>, panels: &Panels) -> (Range<usize>, Range<usize>) {
    (0..a.rows(), 0..panels.count())
}
