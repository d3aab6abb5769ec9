//! Rotation, shift, scale and shear at once, as torchvision's `RandomAffine`.

use crate::augment::geometry::{Map, Motion};
use crate::random::Random;

/// How far each may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    /// Degrees, either way.
    pub rotation: f64,
    /// Share of the side, either way.
    pub shift: f64,
    /// Least and largest factor.
    pub scale: [f64; 2],
    /// Degrees, either way.
    pub shear: f64,
}

impl Affine {
    pub(crate) const LANE: u8 = 4;

    pub(crate) fn is_on(&self) -> bool {
        let angles = self.rotation > 0.0 || self.shear > 0.0;
        angles || self.shift > 0.0 || self.scale != [1.0, 1.0]
    }

    /// The way back from the result.
    pub(crate) fn draw(&self, height: usize, width: usize, random: &mut Random) -> Map {
        let mut either_way = |most: f64| random.between(-most, most);
        let angle = either_way(self.rotation);
        let shift_x = either_way(self.shift * width as f64);
        let shift_y = either_way(self.shift * height as f64);
        let shear = either_way(self.shear);
        // Evenly spread on a logarithmic scale: as often half as twice the size.
        let scale = random.between(self.scale[0].ln(), self.scale[1].ln()).exp();
        Map::affine(height, width, &Motion { angle, shift_x, shift_y, shear, scale })
    }
}
