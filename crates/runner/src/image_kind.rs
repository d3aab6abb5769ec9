//! Photos or digits: what the images of a recipe are, before it is decided what is trained on them.

use taper_dataset::Image;

use crate::error::RunnerError;
use crate::recipe::Recipe;
use crate::registry::Registry;

/// Images that are looked at.
const SAMPLE: usize = 32;
/// The difference of a pixel's channels from which it is coloured, and not grey under a lamp.
const COLOURED: u8 = 48;
/// The shorter side up to which images are as small as digits are cut out, in pixels.
const DIGIT_SIDE: usize = 64;

/// What the images of a data set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageKind {
    /// Whether a quarter of them are clearly in colour.
    pub coloured: bool,
    /// Whether these are photos: in colour, or for the most part of three channels and more than 64 pixels high and
    /// wide.
    pub photos: bool,
    /// Height and width of the first of those that made it so, in pixels.
    pub size: (usize, usize),
}

impl ImageKind {
    fn of(images: &[Image]) -> Option<Self> {
        let large = |i: &&Image| i.channels == 3 && i.height.min(i.width) > DIGIT_SIDE;
        let coloured: Vec<&Image> = images.iter().filter(|image| is_coloured(image)).collect();
        let (large, small): (Vec<&Image>, _) = images.iter().partition(large);
        let is_coloured = 4 * coloured.len() >= images.len();
        let photos = is_coloured || large.len() > small.len();
        let image = match (is_coloured, photos) {
            (true, _) => coloured.first(),
            (_, true) => large.first(),
            _ => small.first(),
        };
        let size = image.map(|image| (image.height, image.width))?;
        Some(Self { coloured: is_coloured, photos, size })
    }
}

/// Looks at up to 32 images of the recipe's training part; `None` where none can be read.
///
/// # Errors
/// Data that cannot be opened.
pub fn image_kind(recipe: &Recipe, registry: &Registry) -> Result<Option<ImageKind>, RunnerError> {
    let source = registry.dataset(&recipe.data.source, &recipe.data.columns())?.train;
    let n = source.len().min(SAMPLE);
    let places = (0..n).map(|place| place * source.len() / n);
    // What cannot be read is told by the run.
    let images: Vec<Image> = places.filter_map(|place| source.decode(place).ok()).collect();
    Ok(ImageKind::of(&images))
}

/// Whether a twentieth of an image's pixels is coloured.
fn is_coloured(image: &Image) -> bool {
    let spread = |pixel: &&[u8]| {
        let (low, high) = (pixel.iter().min(), pixel.iter().max());
        low.zip(high).is_some_and(|(low, high)| high - low > COLOURED)
    };
    let coloured = image.pixels.chunks_exact(image.channels.max(1)).filter(spread).count();
    image.channels == 3 && 20 * coloured >= image.height * image.width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: usize, pixel: &[u8]) -> Image {
        let channels = pixel.len();
        Image { height: side, width: side, channels, pixels: pixel.repeat(side * side) }
    }

    #[test]
    fn a_photo_is_coloured_and_a_digit_under_a_lamp_is_not() {
        assert!(is_coloured(&image(2, &[40, 160, 60])));
        assert!(!is_coloured(&image(2, &[200, 190, 170])));
        assert!(!is_coloured(&image(2, &[100])));
    }

    #[test]
    fn colour_or_three_channels_and_size_make_a_photo() {
        let photos = |images: &[Image]| ImageKind::of(images).map(|kind| kind.photos);
        let (colour, lamp) = ([40, 160, 60], [200, 190, 170]);
        assert_eq!(photos(&[image(32, &colour)]), Some(true));
        assert_eq!(photos(&[image(28, &lamp)]), Some(false));
        assert_eq!(photos(&[image(200, &lamp)]), Some(true));
        assert_eq!(photos(&[image(200, &[100])]), Some(false));
        // One of another kind comes first.
        let mixed = |first: Image, others: Image| {
            let mut images = vec![others; 11];
            images.insert(0, first);
            photos(&images)
        };
        assert_eq!(mixed(image(200, &[100]), image(200, &lamp)), Some(true));
        assert_eq!(mixed(image(200, &lamp), image(200, &[100])), Some(false));
        // Narrow pieces of a scan.
        let piece = Image { height: 70, width: 20, channels: 3, pixels: lamp.repeat(1400) };
        assert_eq!(photos(&[piece]), Some(false));
        // A few coloured pens among digits.
        let mut pens = vec![image(28, &lamp); 7];
        pens.push(image(28, &colour));
        assert_eq!(photos(&pens), Some(false));
        assert_eq!(photos(&[]), None);
    }
}
