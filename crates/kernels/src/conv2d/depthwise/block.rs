//! Planes of some channels as pixels: one vector holds a pixel of `LANES` channels.

use crate::simd::Simd;

/// Where a plane of `h` rows and `w` columns lies in a block of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub h: usize,
    pub w: usize,
    /// Rows above and columns to the left of it.
    pub top: usize,
    pub left: usize,
    /// Rows and columns of the block.
    pub rows: usize,
    pub width: usize,
}

impl Frame {
    /// A block of one row that holds the plane alone.
    pub(super) fn flat(pixels: usize) -> Self {
        Self { h: 1, w: pixels, top: 0, left: 0, rows: 1, width: pixels }
    }

    /// Pixels of the block.
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.width
    }

    /// The plane's first pixel.
    pub(super) fn start(&self) -> usize {
        self.top * self.width + self.left
    }

    fn holds_its_plane(&self) -> bool {
        self.top + self.h <= self.rows && self.left + self.w <= self.width
    }
}

/// At most `LANES` planes, `distance` numbers from each other.
#[derive(Clone, Copy)]
pub(super) struct Planes<P> {
    pub first: P,
    pub distance: usize,
    pub channels: usize,
}

/// Copies planes into their block, zeros into the lanes without a plane; pixels around the plane
/// stay as they are.
///
/// # Safety
///
/// The CPU has the features of `S`; `planes` are readable, `block` is writable for the frame's
/// pixels.
#[inline(always)]
pub(super) unsafe fn gather<S: Simd>(planes: Planes<*const f32>, frame: &Frame, block: *mut f32) {
    assert!(frame.holds_its_plane() && planes.channels <= S::LANES);
    let (w, lanes) = (frame.w, S::LANES);
    // SAFETY: pixels of the planes and of the frame's plane in the block, as asserted; vectors of
    // pixels are read where that many pixels are left, and go through eight pixels of a buffer.
    unsafe {
        let block = block.add(frame.start() * lanes);
        if planes.channels == lanes && w >= lanes {
            for y in 0..frame.h {
                let (from, to) = (planes.first.add(y * w), block.add(y * frame.width * lanes));
                let mut x = 0;
                while x < w {
                    // The last square overlaps the one before where the width is no multiple.
                    x = x.min(w - lanes);
                    S::transpose(from.add(x), planes.distance, to.add(x * lanes), lanes);
                    x += lanes;
                }
            }
        } else if planes.channels == lanes && frame.h * w >= lanes {
            let mut buffer = [S::splat(0.); 16];
            let mut i = 0;
            while i < frame.h * w {
                i = i.min(frame.h * w - lanes);
                let square = buffer.as_mut_ptr().cast::<f32>();
                S::transpose(planes.first.add(i), planes.distance, square, lanes);
                let (mut y, mut x) = (i / w, i % w);
                for &pixel in &buffer[..lanes] {
                    S::store(block.add((y * frame.width + x) * lanes), pixel);
                    (y, x) = if x + 1 == w { (y + 1, 0) } else { (y, x + 1) };
                }
                i += lanes;
            }
        } else {
            for y in 0..frame.h {
                for x in 0..w {
                    let to = block.add((y * frame.width + x) * lanes);
                    S::store(to, S::splat(0.));
                    for c in 0..planes.channels {
                        *to.add(c) = *planes.first.add(c * planes.distance + y * w + x);
                    }
                }
            }
        }
    }
}

/// Copies `pixels` pixels side by side to the same place of each plane.
///
/// # Safety
///
/// As [`gather`], the other way round.
#[inline(always)]
pub(super) unsafe fn scatter<S: Simd>(block: *const f32, planes: Planes<*mut f32>, pixels: usize) {
    assert!(planes.channels <= S::LANES);
    let lanes = S::LANES;
    // SAFETY: as in `gather`.
    unsafe {
        if planes.channels == lanes && pixels >= lanes {
            let mut i = 0;
            while i < pixels {
                i = i.min(pixels - lanes);
                S::transpose(block.add(i * lanes), lanes, planes.first.add(i), planes.distance);
                i += lanes;
            }
        } else {
            for c in 0..planes.channels {
                for i in 0..pixels {
                    *planes.first.add(c * planes.distance + i) = *block.add(i * lanes + c);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel};

    struct There {
        planes: Vec<f32>,
        channels: usize,
        frame: Frame,
    }

    impl Kernel for There {
        type Output = (Vec<f32>, Vec<f32>, usize);

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let Self { planes, channels, frame } = self;
            let distance = frame.h * frame.w;
            let mut block = vec![-1.; frame.pixels() * S::LANES];
            let mut back = vec![0.; planes.len()];
            // SAFETY: the planes have `distance` pixels each, and the block those of the frame.
            unsafe {
                let from = Planes { first: planes.as_ptr(), distance, channels };
                gather::<S>(from, &frame, block.as_mut_ptr());
                for y in 0..frame.h {
                    let row = (frame.start() + y * frame.width) * S::LANES;
                    let first = back.as_mut_ptr().add(y * frame.w);
                    let to = Planes { first, distance, channels };
                    scatter::<S>(block.as_ptr().add(row), to, frame.w);
                }
            }
            (block, back, S::LANES)
        }
    }

    #[test]
    fn planes_come_back_and_lie_in_their_frame() {
        for isa in Isa::all() {
            let widths = [1, 3, 7, 8, 9, 21];
            for (w, h, channels) in widths
                .into_iter()
                .flat_map(|w| [1, 2, 5].into_iter().flat_map(move |h| [3, 8].map(|c| (w, h, c))))
            {
                let frame = Frame { h, w, top: 2, left: 1, rows: h + 3, width: w + 4 };
                let planes: Vec<f32> = (0..channels * h * w).map(|i| i as f32).collect();
                let (block, back, lanes) =
                    isa.run(There { planes: planes.clone(), channels, frame });
                assert_eq!(back, planes, "{frame:?}");
                for (i, pixel) in block.chunks_exact(lanes).enumerate() {
                    let (y, x) = (i / frame.width, i % frame.width);
                    let inside = (2..2 + h).contains(&y) && (1..1 + w).contains(&x);
                    for (c, &v) in pixel.iter().enumerate() {
                        let expected = match inside {
                            true if c < channels => planes[(c * h + y - 2) * w + x - 1],
                            true => 0.,
                            false => -1.,
                        };
                        assert_eq!(v, expected, "{frame:?} {y} {x} {c}");
                    }
                }
            }
        }
    }
}
