//! Random resized crop: a part of the image, of random area and proportions, in the net's size.
//!
//! The way of drawing is torchvision's `RandomResizedCrop` (Szegedy et al., 2015, section 6).

use crate::image::Image;
use crate::random::Random;
use crate::resize::{Edge, Filter, resize_part};

/// Cuts a part of an image out and brings it to the net's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ResizedCrop {
    /// Least and largest share of the image.
    pub area: [f64; 2],
    /// Least and largest width over height.
    pub ratio: [f64; 2],
}

/// A part of an image, in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Region {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl ResizedCrop {
    const LANE: u8 = 1;

    pub(crate) fn is_on(&self) -> bool {
        self.area != [1.0, 1.0]
    }

    /// A random part of the image in another size (height, width).
    pub(crate) fn apply(
        &self,
        image: &Image,
        size: (usize, usize),
        filter: Filter,
        random: Random,
    ) -> Image {
        let region = self.draw(image.height, image.width, &mut random.lane(Self::LANE));
        let range = |start: usize, len: usize| (start as f64, (start + len) as f64);
        let (rows, columns) = (range(region.top, region.height), range(region.left, region.width));
        resize_part(image, rows, columns, size, filter, Edge::Cut)
    }

    /// A part of an image of `height` x `width`, its ratio evenly spread on a logarithmic scale. After
    /// ten that do not fit, the centre of the nearest ratio.
    fn draw(&self, height: usize, width: usize, random: &mut Random) -> Region {
        let ResizedCrop { area, ratio } = *self;
        let whole = height as f64 * width as f64;
        for _ in 0..10 {
            let area = whole * random.between(area[0], area[1]);
            let ratio = random.between(ratio[0].ln(), ratio[1].ln()).exp();
            let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
            let fits = (1.0..=width as f64).contains(&w) && (1.0..=height as f64).contains(&h);
            if fits {
                let (w, h) = (w as usize, h as usize);
                let top = random.below(height - h + 1);
                let left = random.below(width - w + 1);
                return Region { top, left, height: h, width: w };
            }
        }
        let own = width as f64 / height as f64;
        let (h, w) = if own < ratio[0] {
            (((width as f64 / ratio[0]).round() as usize).clamp(1, height), width)
        } else if own > ratio[1] {
            (height, ((height as f64 * ratio[1]).round() as usize).clamp(1, width))
        } else {
            (height, width)
        };
        Region { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn crop(area: [f64; 2]) -> ResizedCrop {
        ResizedCrop { area, ratio: [0.75, 4.0 / 3.0] }
    }

    #[test]
    fn parts_stay_inside_and_within_their_bounds() {
        let mut total = 0.0;
        for index in 0..2000 {
            let mut random = Random::new(1, Purpose::Augment, 0, index);
            let part = crop([0.25, 1.0]).draw(60, 90, &mut random);
            assert!(part.top + part.height <= 60 && part.left + part.width <= 90, "{part:?}");
            let share = (part.height * part.width) as f64 / 5400.0;
            let ratio = part.width as f64 / part.height as f64;
            // Sides are rounded to whole pixels of at least 30.
            assert!((0.24..=1.0).contains(&share), "{part:?}");
            assert!((0.72..1.38).contains(&ratio), "{part:?}");
            total += share;
        }
        // Parts higher than the image are drawn again: of a square, those above 60 * 60 / 5400.
        assert!((0.45..0.52).contains(&(total / 2000.0)), "{total}");
    }

    #[test]
    fn where_nothing_fits_it_is_the_centre() {
        let mut random = Random::new(1, Purpose::Augment, 0, 0);
        let part = crop([1.0, 1.0]).draw(4, 100, &mut random);
        assert_eq!(part, Region { top: 0, left: 47, height: 4, width: 5 });
    }
}
