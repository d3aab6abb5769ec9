//! Padding crop, as is usual for CIFAR: a part of the padded image, of the image's own size.

use crate::augment::geometry::Map;
use crate::random::Random;

/// Moves the image by up to `padding` whole pixels along each axis, either way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PaddingCrop {
    pub padding: usize,
}

impl PaddingCrop {
    pub(crate) const LANE: u8 = 3;

    /// The way back from the result.
    pub(crate) fn draw(&self, mut random: Random) -> Map {
        let mut move_by = || random.below(2 * self.padding + 1) as f64 - self.padding as f64;
        let (right, down) = (move_by(), move_by());
        Map::shift(-right, -down)
    }
}
