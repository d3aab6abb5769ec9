//! Between images as candle has them, channel by channel, and pixels whose channels lie side by
//! side, one vector a pixel: the form in which kernels work on them.

use crate::simd::{Simd, load_some, store_some};

/// At most `LANES` planes (an image's channels), `distance` numbers from each other.
#[derive(Clone, Copy)]
pub(crate) struct Planes<P> {
    pub first: P,
    pub distance: usize,
    pub channels: usize,
}

/// Where a plane of `h` rows and `w` columns lies in a block of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
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
    pub(crate) fn flat(pixels: usize) -> Self {
        Self { h: 1, w: pixels, top: 0, left: 0, rows: 1, width: pixels }
    }

    /// Pixels of the block.
    pub(crate) fn pixels(&self) -> usize {
        self.rows * self.width
    }

    /// The plane's first pixel.
    pub(crate) fn start(&self) -> usize {
        self.top * self.width + self.left
    }

    fn holds_its_plane(&self) -> bool {
        self.top + self.h <= self.rows && self.left + self.w <= self.width
    }
}

/// Copies planes into their block, zeros around them and into the lanes without a plane.
///
/// # Safety
///
/// The CPU has the features of `S`; `planes` are readable, `block` is writable for the frame's
/// pixels.
#[inline(always)]
pub(crate) unsafe fn pack<S: Simd>(planes: Planes<*const f32>, frame: &Frame, block: *mut f32) {
    assert!(frame.holds_its_plane() && planes.channels <= S::LANES);
    let (w, lanes) = (frame.w, S::LANES);
    // SAFETY: pixels of the planes, and of the block, which holds the frame's plane, as asserted.
    unsafe {
        surround::<S>(frame, block);
        if frame.h == 0 {
            // Its plane would start beyond the block.
            return;
        }
        let block = block.add(frame.start() * lanes);
        if w >= lanes {
            for y in 0..frame.h {
                let mut x = 0;
                while x < w {
                    // The last square overlaps the one before where the width is no multiple.
                    x = x.min(w - lanes);
                    let to = block.add((y * frame.width + x) * lanes);
                    to_pixels::<S>(planes, y * w + x, lanes, to);
                    x += lanes;
                }
            }
            return;
        }
        // Rows that fill no vector go by squares across them, and from there pixel by pixel.
        let mut square = [S::splat(0.); 16];
        let (mut y, mut x) = (0, 0);
        for i in (0..frame.h * w).step_by(lanes) {
            let count = (frame.h * w - i).min(lanes);
            to_pixels::<S>(planes, i, count, square.as_mut_ptr().cast());
            for &pixel in &square[..count] {
                S::store(block.add((y * frame.width + x) * lanes), pixel);
                (y, x) = if x + 1 == w { (y + 1, 0) } else { (y, x + 1) };
            }
        }
    }
}

/// Copies the plane's pixels of a block to the planes.
///
/// # Safety
///
/// As [`pack`], the other way round.
#[inline(always)]
pub(crate) unsafe fn unpack<S: Simd>(block: *const f32, frame: &Frame, planes: Planes<*mut f32>) {
    assert!(frame.holds_its_plane() && planes.channels <= S::LANES);
    let (w, lanes) = (frame.w, S::LANES);
    if frame.h == 0 {
        return;
    }
    // SAFETY: as in `pack`.
    unsafe {
        let block = block.add(frame.start() * lanes);
        if w >= lanes {
            for y in 0..frame.h {
                let mut x = 0;
                while x < w {
                    x = x.min(w - lanes);
                    let from = block.add((y * frame.width + x) * lanes);
                    to_planes::<S>(from, lanes, planes, y * w + x);
                    x += lanes;
                }
            }
            return;
        }
        let mut square = [S::splat(0.); 16];
        let (mut y, mut x) = (0, 0);
        for i in (0..frame.h * w).step_by(lanes) {
            let count = (frame.h * w - i).min(lanes);
            for pixel in &mut square[..count] {
                *pixel = S::load(block.add((y * frame.width + x) * lanes));
                (y, x) = if x + 1 == w { (y + 1, 0) } else { (y, x + 1) };
            }
            to_planes::<S>(square.as_ptr().cast(), count, planes, i);
        }
    }
}

/// Zeros into the pixels around the frame's plane.
#[inline(always)]
unsafe fn surround<S: Simd>(frame: &Frame, block: *mut f32) {
    let Frame { h, w, top, left, rows, width } = *frame;
    // SAFETY: pixels of the block.
    unsafe {
        zero::<S>(block, top * width);
        for row in top..top + h {
            let row = block.add(row * width * S::LANES);
            zero::<S>(row, left);
            zero::<S>(row.add((left + w) * S::LANES), width - left - w);
        }
        let below = top + h;
        zero::<S>(block.add(below * width * S::LANES), (rows - below) * width);
    }
}

/// `count` pixels (at most `LANES`) from number `at` of each plane on, as vectors side by side.
#[inline(always)]
unsafe fn to_pixels<S: Simd>(planes: Planes<*const f32>, at: usize, count: usize, to: *mut f32) {
    let Planes { first, distance, channels } = planes;
    // SAFETY: the caller's promise: as many pixels of each plane, and vectors.
    unsafe {
        let from = first.add(at);
        if channels == S::LANES && count == S::LANES {
            return S::transpose(from, distance, to, S::LANES);
        }
        let (mut rows, mut pixels) = ([S::splat(0.); 16], [S::splat(0.); 16]);
        for (c, row) in rows.iter_mut().enumerate().take(channels) {
            *row = load_some::<S>(from.add(c * distance), count);
        }
        S::transpose(rows.as_ptr().cast(), S::LANES, pixels.as_mut_ptr().cast(), S::LANES);
        for (i, &pixel) in pixels.iter().enumerate().take(count) {
            S::store(to.add(i * S::LANES), pixel);
        }
    }
}

/// `count` vectors side by side (at most `LANES`) to the planes' pixels from number `at` on.
#[inline(always)]
unsafe fn to_planes<S: Simd>(from: *const f32, count: usize, planes: Planes<*mut f32>, at: usize) {
    let Planes { first, distance, channels } = planes;
    // SAFETY: as in `to_pixels`, the other way round.
    unsafe {
        let to = first.add(at);
        if channels == S::LANES && count == S::LANES {
            return S::transpose(from, S::LANES, to, distance);
        }
        let (mut pixels, mut rows) = ([S::splat(0.); 16], [S::splat(0.); 16]);
        for (i, pixel) in pixels.iter_mut().enumerate().take(count) {
            *pixel = S::load(from.add(i * S::LANES));
        }
        S::transpose(pixels.as_ptr().cast(), S::LANES, rows.as_mut_ptr().cast(), S::LANES);
        for (c, &row) in rows.iter().enumerate().take(channels) {
            store_some::<S>(to.add(c * distance), row, count);
        }
    }
}

/// Some channels of one image: `channels` (at most `LANES`) planes of `h` rows and `w` columns.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    pub channels: usize,
    pub h: usize,
    pub w: usize,
}

impl Image {
    /// Rows of the image in a block of `rows` rows, whose first one is the image's `first_row`, and
    /// whose column `left` is its first; how many rows of the image lie above them.
    fn part(
        &self,
        (first_row, rows): (isize, usize),
        (left, width): (usize, usize),
    ) -> (Frame, usize) {
        let above = first_row.max(0) as usize;
        let top = ((-first_row).max(0) as usize).min(rows);
        let h = self.h.saturating_sub(above).min(rows - top);
        (Frame { h, w: self.w, top, left, rows, width }, above.min(self.h))
    }
}

/// Copies rows of an image into a padded block: pixel `(row, column)` of the block is pixel
/// `(row + first_row, column - left)` of the image, or zero outside of it.
///
/// # Safety
///
/// `image` is readable for all the planes, `block` writable for `rows * width` vectors.
#[inline(always)]
pub(crate) unsafe fn pack_rows<S: Simd>(
    image: *const f32,
    size: Image,
    rows: (isize, usize),
    columns: (usize, usize),
    block: *mut f32,
) {
    let (frame, above) = size.part(rows, columns);
    // SAFETY: rows of the image, and of the block.
    unsafe {
        let distance = size.h * size.w;
        let first = image.add(above * size.w);
        pack::<S>(Planes { first, distance, channels: size.channels }, &frame, block);
    }
}

/// Copies rows of a block back: columns `left..left + w` of its rows, from the row that is
/// `first_row` of the image on; rows outside of the image are left out.
///
/// # Safety
///
/// As [`pack_rows`], the other way round.
#[inline(always)]
pub(crate) unsafe fn unpack_rows<S: Simd>(
    image: *mut f32,
    size: Image,
    rows: (isize, usize),
    columns: (usize, usize),
    block: *const f32,
) {
    let (frame, above) = size.part(rows, columns);
    let distance = size.h * size.w;
    // SAFETY: rows of the image, and of the block.
    unsafe {
        let first = image.add(above * size.w);
        unpack::<S>(block, &frame, Planes { first, distance, channels: size.channels });
    }
}

/// Writes zeros into so many vectors.
///
/// # Safety
///
/// They are writable.
#[inline(always)]
pub(crate) unsafe fn zero<S: Simd>(to: *mut f32, vectors: usize) {
    for i in 0..vectors {
        // SAFETY: the caller's promise.
        unsafe { S::store(to.add(i * S::LANES), S::splat(0.)) }
    }
}

#[cfg(test)]
mod tests;
