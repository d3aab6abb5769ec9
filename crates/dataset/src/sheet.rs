//! Many images in one picture, to look at.

use std::io::Cursor;

use ::image::{DynamicImage, ImageFormat};

use crate::image::Image;
use crate::resize::{Filter, resize};

/// The colour between images: none that pictures have much of, so that their borders show.
const GAP: [u8; 3] = [64, 64, 80];

const CROSS: [u8; 3] = [224, 64, 32];

/// Images side by side, `columns` to a row, each within a square of `side` pixels, one pixel apart.
///
/// Larger images are shrunk to fit; smaller ones are enlarged by a whole factor, pixels showing as
/// squares. The result is in colour; it is never empty.
///
/// # Panics
///
/// When `columns` or `side` is 0, or the sheet does not fit into memory.
pub fn sheet(images: &[Image], columns: usize, side: usize) -> Image {
    let columns = columns.min(images.len().max(1));
    let rows = images.len().div_ceil(columns).max(1);
    let step = side + 1;
    let (height, width) = (rows * step + 1, columns * step + 1);
    let mut out = Image { height, width, channels: 3, pixels: GAP.repeat(height * width) };
    for (place, image) in images.iter().enumerate() {
        let fitted = fit(image, side);
        let top = place / columns * step + 1 + (side - fitted.height) / 2;
        let left = place % columns * step + 1 + (side - fitted.width) / 2;
        for (row, line) in fitted.pixels.chunks_exact(fitted.width * 3).enumerate() {
            let start = ((top + row) * width + left) * 3;
            out.pixels[start..start + line.len()].copy_from_slice(line);
        }
    }
    out
}

/// What stands on a sheet where there is no image: it looks like the gaps.
pub fn gap() -> Image {
    Image { height: 1, width: 1, channels: 3, pixels: GAP.to_vec() }
}

/// What stands on a sheet in place of an image that cannot be read: a cross.
pub fn cross() -> Image {
    const SIDE: usize = 16;
    let crossed = |place: usize| {
        let (row, column) = (place / SIDE, place % SIDE);
        if row.abs_diff(column) < 2 || row.abs_diff(SIDE - 1 - column) < 2 { CROSS } else { GAP }
    };
    let pixels = (0..SIDE * SIDE).flat_map(crossed).collect();
    Image { height: SIDE, width: SIDE, channels: 3, pixels }
}

/// An image as a [`sheet`] with cells of this side shows it: in colour, no side larger. What is kept for a sheet then
/// takes no more than the sheet.
pub fn fit(image: &Image, side: usize) -> Image {
    let colour = |place: usize| {
        let pixel = &image.pixels[place * image.channels..][..image.channels];
        if image.channels == 3 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] }
    };
    let pixels = (0..image.height * image.width).flat_map(colour).collect();
    let colour = Image { channels: 3, pixels, ..*image };
    let longest = image.height.max(image.width);
    if longest > side {
        let scaled = |length: usize| (length * side / longest).max(1);
        return resize(&colour, scaled(image.height), scaled(image.width), Filter::Bilinear);
    }
    let factor = side / longest;
    resize(&colour, image.height * factor, image.width * factor, Filter::Area)
}

/// An image as a PNG file.
pub fn to_png(image: &Image) -> Vec<u8> {
    let (width, height, pixels) = (image.width as u32, image.height as u32, image.pixels.clone());
    let dynamic = match image.channels {
        1 => ::image::GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => ::image::RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let mut bytes = Cursor::new(Vec::new());
    let dynamic = dynamic.expect("the pixels of an image fill its size");
    dynamic.write_to(&mut bytes, ImageFormat::Png).expect("memory takes all that is written");
    bytes.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{ImageLimits, decode_image};

    #[test]
    fn images_stand_side_by_side_in_their_cells() {
        let small = Image::new(1, 2, 1, vec![10, 20]).unwrap();
        let large = Image::new(8, 4, 3, [1, 2, 3].repeat(32)).unwrap();
        let sheet = sheet(&[small.clone(), large, small], 2, 4);
        assert_eq!(sheet.size(), [11, 11, 3]);
        let at = |row: usize, column: usize| &sheet.pixels[(row * 11 + column) * 3..][..3];
        assert_eq!(at(0, 0), GAP);
        // The small one twice as large, in the middle of its cell.
        assert_eq!((at(1, 1), at(2, 1), at(3, 4)), (&GAP[..], &[10; 3][..], &[20; 3][..]));
        // The large one at half its size.
        assert_eq!((at(1, 7), at(4, 8), at(1, 6)), (&[1, 2, 3][..], &[1, 2, 3][..], &GAP[..]));
        assert_eq!(at(10, 10), GAP);
    }

    #[test]
    fn what_is_not_there_looks_like_a_gap_and_what_is_broken_is_crossed() {
        let empty = sheet(&[gap()], 1, 16);
        assert!(empty.pixels.chunks(3).all(|pixel| pixel == GAP));
        let broken = sheet(&[cross()], 1, 16);
        let crossed = broken.pixels.chunks(3).filter(|pixel| *pixel == CROSS).count();
        assert!((64..128).contains(&crossed), "{crossed}");
    }

    #[test]
    fn nothing_is_a_sheet_too() {
        assert_eq!(sheet(&[], 5, 4).size(), [6, 6, 3]);
    }

    #[test]
    fn a_png_file_reads_back_as_it_was() {
        let image = Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let read = decode_image(&to_png(&image), "x", &ImageLimits::default()).unwrap();
        assert_eq!(read, image);
        let grey = Image::new(1, 2, 1, vec![7, 8]).unwrap();
        assert_eq!(decode_image(&to_png(&grey), "x", &ImageLimits::default()).unwrap(), grey);
    }
}
