//! One image file: PNG or JPEG, within limits.

use std::io::Cursor;
use std::path::Path;

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;

/// How large an image file may be; a larger one is refused before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageLimits {
    /// Largest file, in bytes. Default 256 MiB.
    pub file_bytes: u64,
    /// Largest product of height and width, by the file's header. Default 64 Mi pixels.
    pub pixels: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        ImageLimits { file_bytes: 256 << 20, pixels: 64 << 20 }
    }
}

/// Reads a PNG or JPEG file; [`decode_image`] states what becomes of its colours.
///
/// # Errors
///
/// When the file cannot be read, is no image or is larger than allowed; the error names it.
pub fn read_image(path: &Path, limits: &ImageLimits) -> Result<Image> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(read_error)?.len();
    if size > limits.file_bytes {
        return Err(Error::TooLarge {
            item: path.display().to_string(),
            found: format!("{size} bytes"),
            limit: format!("{} bytes", limits.file_bytes),
        });
    }
    decode_image(&std::fs::read(path).map_err(read_error)?, path.display(), limits)
}

/// Decodes the bytes of a PNG or JPEG file, whichever they are, called `name` in errors.
///
/// Images without colour become one channel, all others three. 16-bit values are scaled to 8 bits,
/// palettes are looked up, an alpha channel is dropped, EXIF orientation is applied.
///
/// # Errors
///
/// When the bytes are no image, or their header tells of more pixels than allowed.
pub fn decode_image(
    bytes: &[u8],
    name: impl std::fmt::Display,
    limits: &ImageLimits,
) -> Result<Image> {
    let broken = |reason: String| Error::Image { item: name.to_string(), reason };
    let format = match bytes {
        [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
        [0xff, 0xd8, ..] => ImageFormat::Jpeg,
        [] => return Err(broken("the file is empty".to_owned())),
        _ => return Err(broken("its first bytes are those of neither PNG nor JPEG".to_owned())),
    };
    if format == ImageFormat::Jpeg && !jpeg_reaches_its_end(bytes) {
        // The decoder would fill what is missing with grey and say nothing.
        return Err(broken("the JPEG data is cut short".to_owned()));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder_limits = ::image::Limits::default();
    // 8 bytes is the widest pixel (16-bit RGBA); as much again and a little for the decoder itself.
    decoder_limits.max_alloc = Some(limits.pixels.saturating_mul(16).saturating_add(1 << 20));
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(|error| broken(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Error::TooLarge {
            item: name.to_string(),
            found: format!("{height}x{width} pixels"),
            limit: format!("{} pixels", limits.pixels),
        });
    }
    let orientation = decoder.orientation().map_err(|error| broken(error.to_string()))?;
    let mut decoded =
        DynamicImage::from_decoder(decoder).map_err(|error| broken(error.to_string()))?;
    decoded.apply_orientation(orientation);
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    if decoded.color().has_color() {
        Image::new(height, width, 3, decoded.into_rgb8().into_raw())
    } else {
        Image::new(height, width, 1, decoded.into_luma8().into_raw())
    }
}

/// Whether the segments of a JPEG file (ITU-T T.81, annex B) lead to an end-of-image marker.
fn jpeg_reaches_its_end(bytes: &[u8]) -> bool {
    let mut place = 2; // behind the start-of-image marker
    while let Some(&[prefix, marker]) = bytes.get(place..place + 2) {
        match (prefix, marker) {
            (0xff, 0xd9) => return true,
            // Fill bytes, what stands between segments, coded data; markers without a length.
            (0xff, 0xff) | (..0xff, _) => place += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => place += 2,
            (0xff, _) => match bytes.get(place + 2..place + 4) {
                Some(&[high, low]) => place += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decode(bytes: &[u8]) -> Result<Image> {
        decode_image(bytes, "x.png", &ImageLimits::default())
    }

    #[test]
    fn grey_stays_grey_and_colour_colour() {
        let grey = ::image::GrayImage::from_raw(3, 2, vec![0, 50, 100, 150, 200, 250]).unwrap();
        let image = decode(&encode(grey.into(), ImageFormat::Png)).unwrap();
        assert_eq!(image, Image::new(2, 3, 1, vec![0, 50, 100, 150, 200, 250]).unwrap());
        let colour = ::image::RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let image = decode(&encode(colour.into(), ImageFormat::Png)).unwrap();
        assert_eq!(image, Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
    }

    #[test]
    fn alpha_is_dropped_and_sixteen_bits_become_eight() {
        let alpha = ::image::RgbaImage::from_raw(1, 1, vec![9, 8, 7, 0]).unwrap();
        assert_eq!(decode(&encode(alpha.into(), ImageFormat::Png)).unwrap().pixels, [9, 8, 7]);
        let deep = ::image::ImageBuffer::<::image::Luma<u16>, _>::from_raw(1, 1, vec![0x8080]);
        let bytes = encode(DynamicImage::ImageLuma16(deep.unwrap()), ImageFormat::Png);
        assert_eq!(decode(&bytes).unwrap().pixels, [0x80]);
    }

    #[test]
    fn jpeg_is_read_too() {
        let grey = ::image::GrayImage::from_pixel(8, 8, ::image::Luma([128]));
        let image = decode(&encode(grey.into(), ImageFormat::Jpeg)).unwrap();
        assert_eq!(image.size(), [8, 8, 1]);
        assert!(image.pixels.iter().all(|value| value.abs_diff(128) < 3));
    }

    #[test]
    fn bytes_that_are_no_image_are_an_error() {
        let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert_eq!(
            message(b"hello"),
            "x.png is no readable image: its first bytes are those of neither PNG nor JPEG"
        );
        assert_eq!(message(b""), "x.png is no readable image: the file is empty");
        let png = encode(::image::GrayImage::new(9, 9).into(), ImageFormat::Png);
        for end in 1..png.len() - 12 {
            // The last 12 bytes are the end mark, which carries nothing.
            assert!(message(&png[..end]).starts_with("x.png is no readable image: "));
        }
    }

    #[test]
    fn a_truncated_jpeg_is_an_error() {
        let pixels = (0..64 * 64).map(|place| (place * 7 % 256) as u8).collect();
        let image = ::image::GrayImage::from_raw(64, 64, pixels).unwrap();
        let bytes = encode(image.into(), ImageFormat::Jpeg);
        for end in 2..bytes.len() - 2 {
            assert!(decode(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_bytes_are_an_image_or_an_error(
            jpeg: bool,
            damage in proptest::collection::vec((0usize..1 << 16, 0u8..=255), 1..6),
        ) {
            let pixels = (0..16 * 16).map(|place| (place * 7 % 256) as u8).collect();
            let image = ::image::GrayImage::from_raw(16, 16, pixels).unwrap();
            let format = if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
            let mut bytes = encode(image.into(), format);
            for (place, value) in damage {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            let limits = ImageLimits { pixels: 1 << 16, ..ImageLimits::default() };
            let _ = decode_image(&bytes, "x", &limits);
        }
    }

    #[test]
    fn an_image_of_absurd_size_is_refused_by_its_header() {
        let png = encode(::image::GrayImage::new(9, 8).into(), ImageFormat::Png);
        let limits = ImageLimits { pixels: 71, ..ImageLimits::default() };
        assert_eq!(
            decode_image(&png, "x.png", &limits).unwrap_err().to_string(),
            "x.png is too large: 8x9 pixels, the limit is 71 pixels"
        );
    }

    #[test]
    fn a_file_of_absurd_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, [0; 100]).unwrap();
        let limits = ImageLimits { file_bytes: 99, ..ImageLimits::default() };
        assert_eq!(
            read_image(&path, &limits).unwrap_err().to_string(),
            format!("{} is too large: 100 bytes, the limit is 99 bytes", path.display())
        );
    }
}
