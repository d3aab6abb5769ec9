//! A decoded image: bytes with a size.

use crate::error::{Error, Result};

/// A decoded image, one byte per value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values per pixel: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `height * width * channels` values, row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image of the given size, 1 or 3 channels.
    ///
    /// # Errors
    ///
    /// When a side is 0, there are neither 1 nor 3 channels, or `pixels` does not fill the size.
    pub fn new(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Result<Self> {
        let wanted = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        if height == 0 || width == 0 || ![1, 3].contains(&channels) || wanted != Some(pixels.len())
        {
            return Err(Error::Pixels { height, width, channels, bytes: pixels.len() });
        }
        Ok(Image { height, width, channels, pixels })
    }

    /// An image whose values are all 0.
    ///
    /// # Panics
    ///
    /// When the size does not fit into memory.
    pub fn black(height: usize, width: usize, channels: usize) -> Self {
        Image { height, width, channels, pixels: vec![0; height * width * channels] }
    }

    /// Height, width, channels.
    pub fn size(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// How light the outermost pixels are, 0 (black) to 1 (white): the mean of their values.
    ///
    /// ```
    /// let image = taper_dataset::Image::new(3, 3, 1, vec![255, 255, 255, 255, 0, 255, 255, 255, 255])?;
    /// assert_eq!(image.border_brightness(), 1.0);
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn border_brightness(&self) -> f64 {
        let (mut sum, mut count) = (0u64, 0u64);
        for (row, line) in self.pixels.chunks_exact(self.width * self.channels).enumerate() {
            let inner = match row == 0 || row + 1 == self.height {
                true => line.len()..line.len(),
                false => self.channels..(line.len() - self.channels).max(self.channels),
            };
            for &value in line[..inner.start].iter().chain(&line[inner.end..]) {
                sum += u64::from(value);
                count += 1;
            }
        }
        sum as f64 / (255.0 * count as f64) // a side is 1 or more
    }

    /// The image turned to the right by so many quarters.
    ///
    /// ```
    /// let image = taper_dataset::Image::new(1, 2, 1, vec![1, 2])?;
    /// assert_eq!(image.turned(2).pixels, [2, 1]);
    /// let right = image.turned(1);
    /// assert_eq!((right.size(), right.pixels), ([2, 1, 1], vec![1, 2]));
    /// assert_eq!(image.turned(3).pixels, [2, 1]);
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn turned(&self, quarters: u8) -> Self {
        let [h, w, c] = self.size();
        let (width, height) = if quarters.is_multiple_of(2) { (w, h) } else { (h, w) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let (u, v) = match quarters % 4 {
                    1 => (y, h - 1 - x),
                    2 => (w - 1 - x, h - 1 - y),
                    3 => (w - 1 - y, x),
                    _ => (x, y),
                };
                pixels.extend(&self.pixels[(v * w + u) * c..][..c]);
            }
        }
        Image { height, width, channels: c, pixels }
    }

    /// The image with light and dark swapped.
    pub fn inverted(self) -> Self {
        let pixels = self.pixels.iter().map(|&value| 255 - value).collect();
        Image { pixels, ..self }
    }

    /// The image with the wanted number of channels.
    ///
    /// Grey to colour repeats the value. Colour to grey is
    /// `(19595 red + 38470 green + 7471 blue + 32768) / 65536`, the ITU-R 601 luma with Pillow's
    /// rounding (`convert("L")`).
    ///
    /// # Errors
    ///
    /// When `channels` is neither 1 nor 3.
    ///
    /// ```
    /// let red = taper_dataset::Image::new(1, 1, 3, vec![255, 0, 0])?;
    /// assert_eq!(red.into_channels(1)?.pixels, [76]);
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn into_channels(self, channels: usize) -> Result<Self> {
        let pixels = match (self.channels, channels) {
            (from, to) if from == to => return Ok(self),
            (1, 3) => self.pixels.iter().flat_map(|&value| [value; 3]).collect(),
            (3, 1) => self.pixels.chunks_exact(3).map(|p| luma(p[0], p[1], p[2])).collect(),
            _ => return Err(Error::setting("channels", "1 or 3", channels)),
        };
        Ok(Image { channels, pixels, ..self })
    }
}

/// The grey value of a colour, as Pillow rounds it.
pub(crate) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let weighted = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    // The weights add up to 65536, so the quotient is at most 255.
    ((weighted + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_must_fill_its_size() {
        let error = Image::new(2, 2, 1, vec![0; 3]).unwrap_err();
        assert_eq!(error.to_string(), "an image of 2x2 with 1 channels cannot have 3 bytes");
        assert!(Image::new(0, 2, 1, vec![]).is_err());
        assert!(Image::new(1, 1, 2, vec![0; 2]).is_err());
        assert!(Image::new(usize::MAX, 2, 1, vec![0; 3]).is_err());
    }

    #[test]
    fn the_border_is_the_outermost_pixels_each_once() {
        let border = |height, width, channels, pixels: &[u8]| {
            255.0
                * Image::new(height, width, channels, pixels.to_vec()).unwrap().border_brightness()
        };
        assert_eq!(border(3, 3, 1, &[1, 2, 3, 4, 99, 5, 6, 7, 8]), 4.5);
        assert_eq!(border(3, 1, 1, &[1, 2, 3]), 2.0);
        assert_eq!(border(1, 2, 3, &[1, 2, 3, 4, 5, 6]), 3.5);
        let colour = Image::new(1, 1, 3, vec![0, 1, 255]).unwrap();
        assert_eq!(colour.inverted().pixels, [255, 254, 0]);
    }

    #[test]
    fn grey_survives_the_way_to_colour_and_back() {
        let grey = Image::new(16, 16, 1, (0..=255).collect()).unwrap();
        let colour = grey.clone().into_channels(3).unwrap();
        assert_eq!(colour.pixels[3..6], [1, 1, 1]);
        assert_eq!(colour.into_channels(1).unwrap(), grey);
    }

    #[test]
    fn colours_weigh_as_in_pillow() {
        // Pillow: Image.new("RGB", (1, 1), colour).convert("L")
        assert_eq!(luma(255, 0, 0), 76);
        assert_eq!(luma(0, 255, 0), 150);
        assert_eq!(luma(0, 0, 255), 29);
        assert_eq!(luma(255, 255, 255), 255);
    }
}
