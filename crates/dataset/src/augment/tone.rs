//! What RandAugment does to values: posterize, solarize, autocontrast, equalize, sharpen.
//!
//! All as Pillow's `ImageOps` and `ImageEnhance.Sharpness`, byte for byte but for the last.

use crate::augment::color;
use crate::image::Image;

/// Keeps the `bits` highest bits of every value.
pub(crate) fn posterize(image: &mut Image, bits: u32) {
    let mask = !(0xffu32 >> bits.min(8)) as u8;
    image.pixels.iter_mut().for_each(|value| *value &= mask);
}

/// Inverts every value of at least `threshold`, up to 255; 256 inverts none.
pub(crate) fn solarize(image: &mut Image, threshold: f64) {
    color::map(image, |value| if value >= threshold { 255.0 - value } else { value });
}

/// Stretches each channel to 0 to 255.
pub(crate) fn autocontrast(image: &mut Image) {
    for_each_channel(image, |counts| {
        let least = counts.iter().position(|&count| count > 0)?;
        let most = counts.iter().rposition(|&count| count > 0)?;
        let scale = 255.0 / most.checked_sub(least).filter(|&spread| spread > 0)? as f64;
        // As Pillow computes it, rounding down.
        let offset = -(least as f64) * scale;
        Some(std::array::from_fn(|value| (value as f64 * scale + offset) as u8))
    });
}

/// Spreads each channel's values as evenly as a table can.
pub(crate) fn equalize(image: &mut Image) {
    for_each_channel(image, |counts| {
        let last = counts.iter().copied().rfind(|&count| count > 0)?;
        let step = (counts.iter().sum::<usize>() - last) / 255;
        let mut below = step / 2;
        (step > 0).then(|| {
            std::array::from_fn(|value| {
                let to = (below / step).min(255) as u8;
                below += counts[value];
                to
            })
        })
    });
}

/// Puts each channel through the table that its counts give, if they give one.
fn for_each_channel(image: &mut Image, table: impl Fn(&[usize; 256]) -> Option<[u8; 256]>) {
    for channel in 0..image.channels {
        let mut counts = [0; 256];
        let values = || (channel..image.pixels.len()).step_by(image.channels);
        values().for_each(|place| counts[usize::from(image.pixels[place])] += 1);
        if let Some(table) = table(&counts) {
            for place in (channel..image.pixels.len()).step_by(image.channels) {
                image.pixels[place] = table[usize::from(image.pixels[place])];
            }
        }
    }
}

/// `smooth + factor * (value - smooth)`; smooth is the mean of 3x3 in which the middle counts five
/// times, and at the border the value itself.
pub(crate) fn sharpen(image: &mut Image, factor: f64) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let stride = width * channels;
    let before = image.pixels.clone();
    for row in 1..height.saturating_sub(1) {
        for place in row * stride + channels..(row + 1) * stride - channels {
            let mut total = 4 * u32::from(before[place]);
            for line in [place - stride, place, place + stride] {
                for near in [line - channels, line, line + channels] {
                    total += u32::from(before[near]);
                }
            }
            let smooth = ((total as f64) / 13.0 + 0.5).floor();
            let value = smooth + factor * (f64::from(before[place]) - smooth);
            image.pixels[place] = (value + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[u8]) -> Image {
        Image::new(1, values.len(), 1, values.to_vec()).unwrap()
    }

    #[test]
    fn a_plain_image_is_left_as_it_is() {
        for function in [autocontrast, equalize, |image: &mut Image| sharpen(image, 1.9)] {
            let mut image = Image::new(4, 4, 3, [9, 99, 199].repeat(16)).unwrap();
            let before = image.clone();
            function(&mut image);
            assert_eq!(image, before);
        }
    }

    #[test]
    fn values_go_where_they_should() {
        let after = |function: &dyn Fn(&mut Image)| {
            let mut image = row(&[0, 50, 100, 150, 255]);
            function(&mut image);
            image.pixels
        };
        assert_eq!(after(&|image| posterize(image, 1)), [0, 0, 0, 128, 128]);
        assert_eq!(after(&|image| posterize(image, 8)), [0, 50, 100, 150, 255]);
        assert_eq!(after(&|image| solarize(image, 128.0)), [0, 50, 100, 105, 0]);
        assert_eq!(after(&|image| solarize(image, 256.0)), [0, 50, 100, 150, 255]);
    }
}
