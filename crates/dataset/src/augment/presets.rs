//! Policies by name.

use crate::augment::settings::Augment;
use crate::augment::warp::Border;

/// Policies by name: `none`; `light`, small moves and nothing else; `digits` for handwriting, which
/// is not flipped; `cifar` for small photographs; `imagenet` for large ones.
pub const PRESETS: &[(&str, Augment)] = &[
    ("none", Augment::none()),
    ("light", LIGHT),
    ("digits", DIGITS),
    ("cifar", CIFAR),
    ("imagenet", IMAGENET),
];

pub(crate) const LIGHT: Augment =
    Augment { rotation: 5.0, shift: 0.05, scale: [0.95, 1.05], ..Augment::none() };

const DIGITS: Augment = Augment {
    rotation: 12.0,
    shift: 0.08,
    scale: [0.88, 1.12],
    shear: 10.0,
    elastic: 34.0,
    elastic_sigma: 4.0,
    ..Augment::none()
};

const CIFAR: Augment = Augment { horizontal_flip: 0.5, padding: 4, ..Augment::none() };

const IMAGENET: Augment = Augment {
    resized_crop: [0.08, 1.0],
    horizontal_flip: 0.5,
    brightness: 0.4,
    contrast: 0.4,
    saturation: 0.4,
    border: Border::Black,
    ..Augment::none()
};

impl Augment {
    /// A policy of [`PRESETS`].
    ///
    /// ```
    /// use taper_dataset::Augment;
    ///
    /// assert_eq!(Augment::preset("digits").map(|policy| policy.horizontal_flip), Some(0.0));
    /// assert_eq!(Augment::preset("cats"), None);
    /// ```
    pub fn preset(name: &str) -> Option<Self> {
        PRESETS.iter().find(|(known, _)| *known == name).map(|(_, augment)| *augment)
    }
}
