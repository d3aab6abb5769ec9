//! Test-time augmentation: several views of an image, whose logits are averaged.

use taper_dataset::augment::Policy;

/// Several views of an image: the first as it is, the others as a policy changes it.
#[derive(Debug, Clone)]
pub struct Tta {
    /// How many, the first included. Default 1.
    pub views: u64,
    /// What the others change. Default: nothing.
    pub augment: Policy,
    /// Seed of the changes. Default 0.
    pub seed: u64,
}

impl Default for Tta {
    fn default() -> Self {
        Self { views: 1, augment: Policy::default(), seed: 0 }
    }
}
