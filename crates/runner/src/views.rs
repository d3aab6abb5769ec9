//! Several looks at an image (test-time augmentation).

use taper_dataset::Augment;

use crate::recipe::Recipe;

/// Several looks at an image: the first as it is, the others as a policy changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Views {
    /// How many, the first included. Default 1.
    pub count: u64,
    /// What the others change.
    pub augment: Augment,
    /// Seed of the changes.
    pub seed: u64,
}

impl Views {
    /// Looks as the recipe's augmentation shows images, what hides something left out; with the
    /// policy `light` where there is none.
    pub fn of(recipe: &Recipe, count: u64) -> Self {
        Self { count, augment: recipe.augment.views(), seed: recipe.seed }
    }
}
