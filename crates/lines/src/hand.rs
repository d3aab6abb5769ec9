//! Digits of a hand: MNIST's, or any data set of the ten digits, white on black.

use std::sync::Arc;

use taper_dataset::random::Random;
use taper_dataset::{Filter, Image, Labelled, open, resize};

use crate::error::{Error, Result};
use crate::glyph::{FINE, Glyph};
use crate::settings::Part;

/// MNIST fits its digits into a box of 20 pixels; in a line that box has 28.
const DIGIT_HEIGHT: f64 = 28.0;

/// Handwritten digits by class.
pub(crate) struct Hand {
    source: Arc<dyn Labelled>,
    /// The items of each digit.
    items: Vec<Vec<usize>>,
}

impl Hand {
    /// The digits of a part of a data set, by path or name.
    pub fn open(digits: &str, part: Part) -> Result<Self> {
        let data = open(digits)?;
        let source = match part {
            Part::Training | Part::Tuning => data.train,
            Part::Test => data.test.ok_or_else(|| Error::NoTestPart(digits.to_string()))?,
        };
        let wrong = |found| Error::Classes { source_name: digits.to_string(), found };
        let names = source.class_names();
        if names.len() != 10 {
            return Err(wrong(format!("{} classes", names.len())));
        }
        if names.iter().enumerate().any(|(digit, name)| *name != digit.to_string()) {
            return Err(wrong(format!("the classes {}", names.join(", "))));
        }
        let mut items = vec![Vec::new(); 10];
        for (item, label) in source.labels().into_iter().enumerate() {
            items[label as usize].push(item);
        }
        for (digit, items) in items.iter_mut().enumerate() {
            let training = items.len() * 9 / 10;
            match part {
                Part::Training => items.truncate(training),
                Part::Tuning => drop(items.drain(..training)),
                Part::Test => {}
            }
            if items.is_empty() {
                return Err(wrong(format!("too few images of {digit}")));
            }
        }
        Ok(Self { source, items })
    }

    /// A digit's ink at a scale, any of its images.
    pub fn glyph(&self, digit: usize, scale: f64, random: &mut Random) -> Result<Glyph> {
        let items = &self.items[digit];
        let item = items[random.below(items.len())];
        let image = cropped(self.source.decode(item)?.into_channels(1)?);
        // The larger side of an image that is not 28x28 stands for MNIST's 20 pixels too.
        let box_side = if image.height.max(image.width) <= 20 { 20 } else { image.height };
        let zoom = DIGIT_HEIGHT * FINE * scale / box_side as f64;
        let side = |pixels: usize| ((pixels as f64 * zoom).round() as usize).max(1);
        let large = resize(&image, side(image.height), side(image.width), Filter::Bicubic);
        Ok(Glyph {
            height: large.height,
            width: large.width,
            ink: large.pixels.iter().map(|&value| f32::from(value) / 255.0).collect(),
        })
    }
}

/// Without the black rows and columns at the borders; as it is where all is black.
fn cropped(image: Image) -> Image {
    let rows: Vec<usize> = (0..image.height)
        .filter(|y| image.pixels[y * image.width..][..image.width].iter().any(|&v| v > 0))
        .collect();
    let columns: Vec<usize> = (0..image.width)
        .filter(|x| (0..image.height).any(|y| image.pixels[y * image.width + x] > 0))
        .collect();
    let (Some(&top), Some(&left)) = (rows.first(), columns.first()) else { return image };
    let (height, width) = (rows[rows.len() - 1] + 1 - top, columns[columns.len() - 1] + 1 - left);
    let pixels = (top..top + height)
        .flat_map(|y| image.pixels[y * image.width + left..][..width].iter().copied());
    Image { height, width, channels: 1, pixels: pixels.collect() }
}
