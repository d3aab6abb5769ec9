//! Perspective: the corners of an image move inwards, as torchvision's `RandomPerspective`.

use crate::augment::geometry::Map;
use crate::random::Random;

/// Moves every corner inwards by up to the share `most` of half a side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Perspective {
    pub most: f64,
}

impl Perspective {
    pub(crate) const LANE: u8 = 5;

    pub(crate) fn is_on(&self) -> bool {
        self.most > 0.0
    }

    /// The way back from the result; none where corners have met.
    pub(crate) fn draw(&self, height: usize, width: usize, mut random: Random) -> Option<Map> {
        let (w, h) = (width as f64, height as f64);
        let corners = [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]];
        let moved = corners.map(|[x, y]| {
            let mut inwards = |place: f64, side: f64| {
                let by = random.between(0.0, 0.5 * self.most * side);
                if place == 0.0 { by } else { place - by }
            };
            [inwards(x, w), inwards(y, h)]
        });
        Map::perspective(moved, corners)
    }
}
