//! Images as addresses that hold them: `data:image/png;base64,…`.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};
use taper_dataset::Image;

use super::html::base64;

/// Sides up to which an image is kept to the pixel; larger ones become JPEG, which is far smaller.
const SMALL: usize = 64;

/// An image as a `data:` address.
pub(super) fn address(image: &Image) -> Result<String, ImageError> {
    let (width, height) = (image.width as u32, image.height as u32);
    let color = if image.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    let kind = if is_small(image) {
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(&image.pixels, width, height, color)?;
        "png"
    } else {
        JpegEncoder::new_with_quality(&mut bytes, 85).write_image(
            &image.pixels,
            width,
            height,
            color,
        )?;
        "jpeg"
    };
    Ok(format!("data:image/{kind};base64,{}", base64(&bytes)))
}

/// Whether its pixels are to be seen as such.
pub(super) fn is_small(image: &Image) -> bool {
    image.height.max(image.width) <= SMALL
}

/// The image in grey with a warm color where `weight` is high; `weight` has one number from 0 to 1
/// for each pixel.
pub(super) fn heat(image: &Image, weight: &[f32]) -> Image {
    const WARM: [f32; 3] = [255.0, 120.0, 20.0];
    let mut pixels = Vec::with_capacity(3 * weight.len());
    for (pixel, &weight) in image.pixels.chunks_exact(image.channels).zip(weight) {
        let grey = pixel.iter().map(|&value| f32::from(value)).sum::<f32>() / pixel.len() as f32;
        // The image keeps its light and dark below the color.
        let grey = 0.25 * 128.0 + 0.55 * grey;
        let weight = weight.clamp(0.0, 1.0) * 0.85;
        pixels.extend(WARM.map(|warm| (grey + weight * (warm - grey)).round() as u8));
    }
    Image { height: image.height, width: image.width, channels: 3, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_keep_their_pixels_and_large_ones_become_jpeg() {
        let small = address(&Image::black(28, 28, 1)).unwrap();
        assert!(small.starts_with("data:image/png;base64,iVBOR"), "{small}");
        let large = address(&Image::black(224, 224, 3)).unwrap();
        assert!(large.starts_with("data:image/jpeg;base64,/9j/"), "{large}");
    }

    #[test]
    fn heat_colors_only_where_there_is_weight() {
        let image = Image::black(1, 2, 1);
        let heat = heat(&image, &[0.0, 1.0]);
        assert_eq!(heat.pixels[..3], [32, 32, 32]);
        assert!(heat.pixels[3] > 200 && heat.pixels[5] < 60, "{:?}", heat.pixels);
    }
}
