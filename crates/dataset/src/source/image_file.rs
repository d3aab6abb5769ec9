//! One image file, within limits.

use std::io::{Cursor, Read};
use std::path::Path;

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};
use taper_untrusted::{fenced, files};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::files::{has_ending, read_whole};

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

/// What a decoder may take beside twice the image and twice its file: tables, a colour profile.
const DECODER_BYTES: u64 = 4 << 20;

/// Reads an image file; [`decode_image`] states what becomes of its colours.
///
/// # Errors
///
/// When the file cannot be read, is not an image or is larger than allowed; the error names it.
pub fn read_image(path: &Path, limits: &ImageLimits) -> Result<Image> {
    decode_image(&read_whole(path, limits.file_bytes)?, path.display(), limits)
}

/// Decodes the bytes of a PNG, JPEG, BMP, GIF, TIFF, WebP or PNM (`.pgm`, `.ppm`, …) file, which their beginning tells, called
/// `name` in errors.
///
/// The rule: an image of a type without colour becomes one channel, all others, palettes too, three. Values of 16
/// bits and floats are scaled to 8 bits, palettes are looked up, an alpha channel is dropped (as
/// Pillow's `convert` drops it), of several frames or pages the first one counts, EXIF orientation is
/// applied. What the net takes is then made of it by [`Image::into_channels`].
///
/// Decoding takes no more memory than a few times the image at its own size, twice the file and 4 MiB:
/// a compressed colour profile that would take more is passed over.
///
/// # Errors
///
/// When the bytes are no image, or their header tells of more pixels than allowed.
pub fn decode_image(
    bytes: &[u8],
    name: impl std::fmt::Display,
    limits: &ImageLimits,
) -> Result<Image> {
    let failed = |reason| Err(Error::Image { item: name.to_string(), reason });
    fenced(|| decode(bytes, &name, limits)).unwrap_or_else(failed)
}

fn decode(bytes: &[u8], name: &impl std::fmt::Display, limits: &ImageLimits) -> Result<Image> {
    let broken = |reason: String| Error::Image { item: name.to_string(), reason };
    let mut decoder = open(bytes, limits).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Error::TooLarge {
            item: name.to_string(),
            found: format!("{height}x{width} pixels"),
            limit: format!("{} pixels", limits.pixels),
        });
    }
    let limits = within(decoder.total_bytes(), bytes);
    decoder.set_limits(limits).map_err(|error| broken(error.to_string()))?;
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

/// The decoder of a file, which has read the header; or why there is none.
fn open<'a>(
    bytes: &'a [u8],
    limits: &ImageLimits,
) -> std::result::Result<impl ImageDecoder + 'a, String> {
    let format = match format_of(bytes) {
        Some(format) => format,
        None if bytes.is_empty() => return Err("the file is empty".to_owned()),
        None => {
            let reason = "its first bytes are not those of PNG, JPEG, BMP, GIF, TIFF, WebP or PNM";
            return Err(reason.to_owned());
        }
    };
    if format == ImageFormat::Jpeg && !jpeg_reaches_its_end(bytes) {
        // The decoder would fill what is missing with grey and say nothing.
        return Err("the JPEG data is cut short".to_owned());
    }
    if format == ImageFormat::WebP && !webp_chunks_fit(bytes) {
        // The decoder would make room for what a chunk claims.
        return Err("the WebP data is cut short".to_owned());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The decoder of PNG unpacks what stands before the pixels, such as a colour profile, as soon as
    // it is made: it needs its limit by then. 8 bytes is its widest pixel (16-bit RGBA).
    let pixels = png_header(bytes).map_or(0, |[width, height, _]| width.saturating_mul(height));
    reader.limits(within(8 * pixels.min(limits.pixels), bytes));
    reader.into_decoder().map_err(|error| error.to_string())
}

/// What the first bytes of a file are those of.
fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
        [0xff, 0xd8, ..] => ImageFormat::Jpeg,
        [b'B', b'M', ..] => ImageFormat::Bmp,
        [b'G', b'I', b'F', b'8', ..] => ImageFormat::Gif,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => ImageFormat::Tiff,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ImageFormat::WebP,
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..] => ImageFormat::Pnm,
        _ => return None,
    })
}

/// The limits of a decoder whose image takes `image` bytes.
fn within(image: u64, file: &[u8]) -> ::image::Limits {
    let mut limits = ::image::Limits::default();
    limits.max_alloc = Some(2 * (image + file.len() as u64) + DECODER_BYTES);
    limits
}

/// How the pixels of a file are stored, in words; nothing where it cannot be read.
pub(crate) fn stored_pixels(bytes: &[u8]) -> Option<String> {
    use ::image::ExtendedColorType as Color;
    let color = || Some(open(bytes, &ImageLimits::default()).ok()?.original_color_type());
    let color = fenced(color).ok()??;
    let kind = match (color, png_header(bytes)) {
        // The decoder looks palettes up and says nothing of it.
        (_, Some([_, _, 3])) => "palette",
        _ if bytes.starts_with(b"GIF8") => "palette",
        (Color::Cmyk8 | Color::Cmyk16, _) => "CMYK",
        (Color::Unknown(_), _) => "palette",
        _ => match color.channel_count() {
            1 => "grey",
            2 => "grey and alpha",
            3 => "colour",
            _ => "colour and alpha",
        },
    };
    let depth = match color {
        Color::L16 | Color::La16 | Color::Rgb16 | Color::Rgba16 | Color::Cmyk16 => ", 16 bits",
        Color::Rgb32F | Color::Rgba32F => ", floats",
        _ => "",
    };
    Some(format!("{kind}{depth}"))
}

/// Width, height and colour type that a PNG file's header claims, which comes first.
fn png_header(bytes: &[u8]) -> Option<[u64; 3]> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let side = |place| header.get(place..place + 4)?.try_into().ok().map(u32::from_be_bytes);
    Some([side(0)?.into(), side(4)?.into(), (*header.get(9)?).into()])
}

/// The endings of the files that [`decode_image`] reads.
pub(crate) const ENDINGS: [&str; 19] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "bmp", "dib", "gif", "tif",
    "tiff", "webp", "pbm", "pgm", "ppm", "pnm", "pam",
];

/// Whether a file is an image that can be read, by its ending.
pub(crate) fn has_image_ending(path: &Path) -> bool {
    ENDINGS.iter().any(|ending| has_ending(path, ending))
}

/// Whether a file is an image that can be read, by its ending or, where that says nothing, by its first
/// bytes. These must leave no doubt: text may begin with BM, and the raw files of cameras as TIFF does.
pub(crate) fn is_image(path: &Path) -> bool {
    if has_image_ending(path) || !path.is_file() {
        return has_image_ending(path);
    }
    let mut bytes = Vec::new();
    let read = files::open(path).and_then(|file| file.take(16).read_to_end(&mut bytes));
    let sure = match (format_of(&bytes), &bytes[..]) {
        (Some(ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP), _) => true,
        (Some(ImageFormat::Jpeg), [_, _, third, ..]) => *third == 0xff,
        (Some(ImageFormat::Bmp), [_, _, _, _, _, _, 0, 0, 0, 0, ..]) => true,
        _ => false,
    };
    read.is_ok() && sure
}

/// Whether every chunk of a WebP file (RFC 9649) ends within it.
fn webp_chunks_fit(bytes: &[u8]) -> bool {
    let mut place = 12; // behind RIFF, its size and WEBP
    while let Some(&[_, _, _, _, a, b, c, d]) = bytes.get(place..place + 8) {
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        place += 8 + len;
        if place > bytes.len() {
            return false;
        }
        place += len % 2;
    }
    true
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
mod tests;
