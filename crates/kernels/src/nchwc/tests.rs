//! Planes into blocks of pixels and back.

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
            pack::<S>(from, &frame, block.as_mut_ptr());
            let to = Planes { first: back.as_mut_ptr(), distance, channels };
            unpack::<S>(block.as_ptr(), &frame, to);
        }
        (block, back, S::LANES)
    }
}

#[test]
fn planes_come_back_and_lie_in_their_frame() {
    for isa in Isa::all() {
        let widths = [1, 3, 7, 8, 9, 16, 21];
        for (w, h, channels) in widths
            .into_iter()
            .flat_map(|w| [1, 2, 5].into_iter().flat_map(move |h| [3, 8, 16].map(|c| (w, h, c))))
        {
            if channels > isa.lanes() {
                continue;
            }
            let frame = Frame { h, w, top: 2, left: 1, rows: h + 3, width: w + 4 };
            let planes: Vec<f32> = (0..channels * h * w).map(|i| i as f32).collect();
            let (block, back, lanes) = isa.run(There { planes: planes.clone(), channels, frame });
            assert_eq!(back, planes, "{frame:?}");
            for (i, pixel) in block.chunks_exact(lanes).enumerate() {
                let (y, x) = (i / frame.width, i % frame.width);
                let inside = (2..2 + h).contains(&y) && (1..1 + w).contains(&x);
                for (c, &v) in pixel.iter().enumerate() {
                    let expected = match inside && c < channels {
                        true => planes[(c * h + y - 2) * w + x - 1],
                        false => 0.,
                    };
                    assert_eq!(v, expected, "{frame:?} {y} {x} {c}");
                }
            }
        }
    }
}

struct Rows {
    image: Vec<f32>,
    size: Image,
    rows: (isize, usize),
    columns: (usize, usize),
}

impl Kernel for Rows {
    type Output = (Vec<f32>, Vec<f32>, usize);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let Self { image, size, rows, columns } = self;
        let mut block = vec![-1.; rows.1 * columns.1 * S::LANES];
        let mut back = vec![-1.; image.len()];
        // SAFETY: the image has the planes, and the block rows of as many pixels.
        unsafe {
            pack_rows::<S>(image.as_ptr(), size, rows, columns, block.as_mut_ptr());
            unpack_rows::<S>(back.as_mut_ptr(), size, rows, columns, block.as_ptr());
        }
        (block, back, S::LANES)
    }
}

#[test]
fn rows_of_an_image_lie_in_zeros_and_come_back_without_what_is_outside() {
    for isa in Isa::all() {
        for (w, first_row) in [3, 17].into_iter().flat_map(|w| [-9, -1, 0, 3, 6].map(|f| (w, f))) {
            let size = Image { channels: 5, h: 6, w };
            let image: Vec<f32> = (1..=5 * 6 * w).map(|i| i as f32).collect();
            let (rows, columns) = ((first_row, 8), (1, w + 3));
            let (block, back, lanes) = isa.run(Rows { image: image.clone(), size, rows, columns });
            let within = |y: isize| (0..6).contains(&y);
            for (i, &v) in block.iter().enumerate() {
                let (pixel, c) = (i / lanes, i % lanes);
                let y = first_row + (pixel / (w + 3)) as isize;
                let x = (pixel % (w + 3)).wrapping_sub(1);
                let inside = within(y) && x < w && c < 5;
                let expected = if inside { image[(c * 6 + y as usize) * w + x] } else { 0. };
                assert_eq!(v, expected, "{first_row} {y} {x} {c}");
            }
            for (i, &v) in back.iter().enumerate() {
                let y = (i / w % 6) as isize;
                let there = (first_row..first_row + 8).contains(&y);
                assert_eq!(v, if there { image[i] } else { -1. }, "{first_row} {y}");
            }
        }
    }
}
