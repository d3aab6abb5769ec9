//! Between images as candle has them, channel by channel, and rows of pixels whose channels lie
//! side by side, one vector a pixel: the form in which kernels work on them.

use crate::simd::Simd;

/// Some channels of one image: `channels` (at most `LANES`) planes of `h` rows and `w` columns.
#[derive(Clone, Copy)]
pub(crate) struct Planes {
    pub channels: usize,
    pub h: usize,
    pub w: usize,
}

/// Copies rows of planes into a padded block: pixel `(row, column)` of the block is pixel
/// `(row + first_row, column - left)` of the image, or zero outside of it.
///
/// # Safety
///
/// `image` is readable for all the planes, `block` writable for `rows * width` vectors, and
/// `left + w <= width`.
#[inline(always)]
pub(crate) unsafe fn gather<S: Simd>(
    image: *const f32,
    planes: Planes,
    (first_row, rows): (isize, usize),
    (left, width): (usize, usize),
    block: *mut f32,
) {
    unsafe {
        for row in 0..rows {
            let to = block.add(row * width * S::LANES);
            match usize::try_from(first_row + row as isize) {
                Ok(y) if y < planes.h => {
                    let from = image.add(y * planes.w);
                    zero::<S>(to, left);
                    gather_row::<S>(from, planes, to.add(left * S::LANES));
                    let right = left + planes.w;
                    zero::<S>(to.add(right * S::LANES), width - right);
                }
                _ => zero::<S>(to, width),
            }
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn zero<S: Simd>(to: *mut f32, vectors: usize) {
    for i in 0..vectors {
        unsafe { S::store(to.add(i * S::LANES), S::splat(0.)) }
    }
}

#[inline(always)]
unsafe fn gather_row<S: Simd>(from: *const f32, planes: Planes, to: *mut f32) {
    let (plane, lanes) = (planes.h * planes.w, S::LANES);
    unsafe {
        if planes.channels == lanes && planes.w >= lanes {
            let mut x = 0;
            while x < planes.w {
                // The last square overlaps the one before where the width is no multiple.
                x = x.min(planes.w - lanes);
                S::transpose(from.add(x), plane, to.add(x * lanes), lanes);
                x += lanes;
            }
        } else {
            for x in 0..planes.w {
                S::store(to.add(x * lanes), S::splat(0.));
                for c in 0..planes.channels {
                    *to.add(x * lanes + c) = *from.add(c * plane + x);
                }
            }
        }
    }
}

/// Copies rows of a block back: columns `left..left + w` of its rows, from the row that is
/// `first_row` of the image on; rows outside of the image are left out.
///
/// # Safety
///
/// As [`gather`], the other way round.
#[inline(always)]
pub(crate) unsafe fn scatter<S: Simd>(
    image: *mut f32,
    planes: Planes,
    (first_row, rows): (isize, usize),
    (left, width): (usize, usize),
    block: *const f32,
) {
    unsafe {
        for row in 0..rows {
            if let Ok(y) = usize::try_from(first_row + row as isize)
                && y < planes.h
            {
                let from = block.add((row * width + left) * S::LANES);
                scatter_row::<S>(from, planes, image.add(y * planes.w));
            }
        }
    }
}

#[inline(always)]
unsafe fn scatter_row<S: Simd>(from: *const f32, planes: Planes, to: *mut f32) {
    let (plane, lanes) = (planes.h * planes.w, S::LANES);
    unsafe {
        if planes.channels == lanes && planes.w >= lanes {
            let mut x = 0;
            while x < planes.w {
                x = x.min(planes.w - lanes);
                S::transpose(from.add(x * lanes), lanes, to.add(x), plane);
                x += lanes;
            }
        } else {
            for x in 0..planes.w {
                for c in 0..planes.channels {
                    *to.add(c * plane + x) = *from.add(x * lanes + c);
                }
            }
        }
    }
}
