//! Mirror images.

use crate::augment::geometry::Map;
use crate::random::Random;

/// Swaps left and right, and top and bottom, each with a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Flip {
    pub horizontal: f64,
    pub vertical: f64,
}

impl Flip {
    pub(crate) const LANE: u8 = 2;

    pub(crate) fn is_on(&self) -> bool {
        self.horizontal > 0.0 || self.vertical > 0.0
    }

    /// The way back from the result.
    pub(crate) fn draw(&self, height: usize, width: usize, mut random: Random) -> Map {
        let horizontal = random.chance(self.horizontal);
        let vertical = random.chance(self.vertical);
        Map::flip(height, width, horizontal, vertical)
    }
}
