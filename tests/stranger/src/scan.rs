//! An augmentation: rows that a scanner has darkened.

use serde::{Deserialize, Serialize};
use taper_cli::taper_runner::taper_dataset::Image;
use taper_cli::taper_runner::taper_dataset::augment::{Augmentation, Scratch};
use taper_cli::taper_runner::taper_dataset::random::Random;

/// Darkens rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// That a row is. Default 0.1.
    pub probability: f64,
    /// What is left of its light. Default 0.5.
    pub factor: f64,
}

impl Default for Scan {
    fn default() -> Self {
        Self { probability: 0.1, factor: 0.5 }
    }
}

impl Augmentation for Scan {
    fn name(&self) -> &str {
        "scan"
    }

    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        for row in image.pixels.chunks_mut(image.width * image.channels) {
            if random.chance(self.probability) {
                row.iter_mut().for_each(|value| *value = (f64::from(*value) * self.factor) as u8);
            }
        }
    }
}
