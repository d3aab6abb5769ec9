//! One image file, within limits.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};
use taper_untrusted::{fenced, files};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::files::{has_ending, read_whole};

/// How large an image file may be; a larger one is refused before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageLimits {
    /// Largest file, in bytes. Default 256 MiB.
    pub file_bytes: u64,
    /// Largest product of height and width, by the file's header; of pixels that are stored in more than 4 bytes
    /// accordingly fewer. Default 64 Mi pixels.
    pub pixels: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        ImageLimits { file_bytes: 256 << 20, pixels: 64 << 20 }
    }
}

/// Bytes of a pixel, as it is decoded, at the limit of [`ImageLimits::pixels`].
const PIXEL_BYTES: u64 = 4;

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
    fenced("its decoder", || decode(bytes, &name, limits)).unwrap_or_else(failed)
}

fn decode(bytes: &[u8], name: &impl std::fmt::Display, limits: &ImageLimits) -> Result<Image> {
    let broken = |reason: String| Error::Image { item: name.to_string(), reason };
    let mut decoder = open(bytes, limits).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let (bytes_taken, most) = (decoder.total_bytes(), limits.pixels.saturating_mul(PIXEL_BYTES));
    if pixels > limits.pixels || bytes_taken > most {
        let (found, limit) = match pixels > limits.pixels {
            true => (format!("{height}x{width} pixels"), format!("{} pixels", limits.pixels)),
            false => {
                (format!("{height}x{width} pixels of {bytes_taken} bytes"), format!("{most} bytes"))
            }
        };
        return Err(Error::TooLarge { item: name.to_string(), found, limit });
    }
    // The decoder's copy, its result, and that in eight bits.
    let _room = Room::take(2 * bytes_taken + 3 * pixels);
    let limits = within(bytes_taken, bytes);
    decoder.set_limits(limits).map_err(|error| broken(error.to_string()))?;
    let orientation = decoder.orientation().map_err(|error| broken(error.to_string()))?;
    let mut decoded = match jpeg_end(bytes) {
        Some(end) => decode_jpeg(bytes, end, decoder),
        None => DynamicImage::from_decoder(decoder).map_err(|error| error.to_string()),
    }
    .map_err(broken)?;
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
    if format == ImageFormat::Jpeg && jpeg_end(bytes).is_none() {
        // The decoder would fill what is missing with grey and say nothing.
        return Err(CUT_SHORT.to_owned());
    }
    if format == ImageFormat::Tiff {
        tiff_pieces_fit(bytes)?;
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
    let color = fenced("its decoder", color).ok()??;
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

/// Bytes that images may take together while they are decoded; one that takes more is decoded alone.
const TOGETHER: u64 = 768 << 20;

/// What images take that are being decoded.
static TAKEN: Mutex<u64> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// Memory that an image may take while it lives.
struct Room(u64);

impl Room {
    /// Waits until there is as much.
    fn take(bytes: u64) -> Self {
        let bytes = bytes.min(TOGETHER);
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |taken: &mut u64| *taken + bytes > TOGETHER;
        let taken = GIVEN_BACK.wait_while(taken, full);
        *taken.unwrap_or_else(PoisonError::into_inner) += bytes;
        Room(bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}

const CUT_SHORT: &str = "the JPEG data is cut short";

/// Where the end-of-image marker is that the segments of a JPEG file (ITU-T T.81, annex B) lead to; `None` where
/// they lead to none, or it is no JPEG file.
fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    let mut place = bytes.starts_with(&[0xff, 0xd8]).then_some(2)?;
    while let Some(&[prefix, marker]) = bytes.get(place..place + 2) {
        match (prefix, marker) {
            (0xff, 0xd9) => return Some(place),
            // Fill bytes, what stands between segments, coded data; markers without a length.
            (0xff, 0xff) | (..0xff, _) => place += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => place += 2,
            (0xff, _) => match bytes.get(place + 2..place + 4) {
                Some(&[high, low]) => place += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return None,
            },
        }
    }
    None
}

/// Decodes a JPEG file whose end-of-image marker is at `end`.
///
/// Where its data tells less than the image has, the decoder takes what is missing for zeros and says nothing. So its
/// data is followed by bits that are no code, over which a strict decoder stumbles; that may have other reasons, too:
/// whether those bits make a difference is seen then.
fn decode_jpeg(
    bytes: &[u8],
    end: usize,
    decoder: impl ImageDecoder,
) -> std::result::Result<DynamicImage, String> {
    let no_code = [&bytes[..end], &[0xff, 0].repeat(32), &[0xff, 0xd9]].concat();
    if let Some(image) = strictly(&no_code) {
        return Ok(image);
    }
    let words = |error: ::image::ImageError| error.to_string();
    let image = DynamicImage::from_decoder(decoder).map_err(words)?;
    let again = ImageReader::with_format(Cursor::new(&no_code), ImageFormat::Jpeg).decode();
    match again.is_ok_and(|again| again.as_bytes() != image.as_bytes()) {
        true => Err(CUT_SHORT.to_owned()),
        false => Ok(image),
    }
}

/// Decodes a JPEG file in which all is as it should be.
fn strictly(bytes: &[u8]) -> Option<DynamicImage> {
    let options = DecoderOptions::default().set_strict_mode(true);
    let options = options.set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let color = match decoder.input_colorspace()? {
        ColorSpace::Luma => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(color));
    let (width, height) = decoder.dimensions()?;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let pixels = decoder.decode().ok()?;
    match color {
        ColorSpace::Luma => Some(::image::GrayImage::from_raw(width, height, pixels)?.into()),
        _ => Some(::image::RgbImage::from_raw(width, height, pixels)?.into()),
    }
}

/// What a TIFF file's tile may have more than the image, in pixels.
const TILE: u64 = 1 << 20;

/// Makes sure that none of the pieces that a TIFF file is decoded by is much larger than the image: the decoder makes
/// room for what each claims.
fn tiff_pieces_fit(bytes: &[u8]) -> std::result::Result<(), String> {
    let words = |error: tiff::TiffError| error.to_string();
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(bytes)).map_err(words)?;
    let (width, height) = decoder.dimensions().map_err(words)?;
    let (tile_width, mut tile_height) = decoder.chunk_dimensions();
    if decoder.get_chunk_type() == tiff::decoder::ChunkType::Strip {
        tile_height = tile_height.min(height);
    }
    let most = 2 * u64::from(width) * u64::from(height) + TILE;
    if u64::from(tile_width) * u64::from(tile_height) > most {
        return Err(format!(
            "it has {height}x{width} pixels, and tiles of {tile_height}x{tile_width}"
        ));
    }
    let samples =
        decoder.find_tag_unsigned::<u16>(tiff::tags::Tag::SamplesPerPixel).map_err(words)?;
    if let Some(samples) = samples.filter(|samples| *samples > SAMPLES) {
        return Err(format!("it has {samples} values in each pixel, at most {SAMPLES} are read"));
    }
    // Pieces that are packed as JPEG, in the old or the new way, are JPEG files, each with a size of its own: 16 bits
    // for its height and width behind the start-of-frame marker, the segment's length and the number of bits.
    let packed = decoder.find_tag_unsigned::<u16>(tiff::tags::Tag::Compression).map_err(words)?;
    let frame = |bytes: &[u8]| match *bytes {
        [0xff, 0xc0..=0xc2, 0, _, 8, a, b, c, d] => {
            u64::from(u16::from_be_bytes([a, b])) * u64::from(u16::from_be_bytes([c, d])) > most
        }
        _ => false,
    };
    match matches!(packed, Some(6 | 7)) && bytes.windows(9).any(frame) {
        true => {
            Err(format!("it has {height}x{width} pixels, and a JPEG image within that has more"))
        }
        false => Ok(()),
    }
}

/// The most values of a pixel in a TIFF file: colour, and a few more, which are dropped.
const SAMPLES: u16 = 16;

#[cfg(test)]
mod tests;
