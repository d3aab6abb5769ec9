//! Whether the images are in colour, before a net for grey ones takes that from them.

use taper_dataset::Image;

use crate::error::RunnerError;
use crate::recipe::Recipe;
use crate::registry::Registry;

/// Images that are looked at.
const SAMPLE: usize = 32;
/// The difference of a pixel's channels from which it is coloured, and not grey under a lamp.
const COLOURED: u8 = 48;

/// Height and width of an image of the recipe's training part that is clearly in colour; `None` unless a
/// quarter of some of them are.
///
/// # Errors
/// Data that cannot be opened.
pub fn coloured_images(
    recipe: &Recipe,
    registry: &Registry,
) -> Result<Option<(usize, usize)>, RunnerError> {
    let source = registry.dataset(&recipe.data.source, &recipe.data.columns())?.train;
    let n = source.len().min(SAMPLE);
    let places = (0..n).map(|place| place * source.len() / n);
    // What cannot be read is told by the run.
    let images: Vec<Image> = places.filter_map(|place| source.decode(place).ok()).collect();
    let coloured: Vec<&Image> = images.iter().filter(|image| is_coloured(image)).collect();
    let first = coloured.first().filter(|_| 4 * coloured.len() >= images.len());
    Ok(first.map(|image| (image.height, image.width)))
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

    #[test]
    fn a_photo_is_coloured_and_a_digit_under_a_lamp_is_not() {
        let image = |pixel: [u8; 3]| Image {
            height: 1,
            width: 2,
            channels: 3,
            pixels: [[250; 3], pixel].concat(),
        };
        assert!(is_coloured(&image([40, 160, 60])));
        assert!(!is_coloured(&image([200, 190, 170])));
        let grey = Image { height: 1, width: 3, channels: 1, pixels: vec![0, 100, 200] };
        assert!(!is_coloured(&grey));
    }
}
