//! Random changes to images, so that a net sees each in many ways.
//!
//! [`Augment`] holds a recipe's settings, [`Policy`] the list of [`Augmentation`]s that they make, to
//! which a caller can add its own. Everything drawn for an item is a pure function of (seed, epoch,
//! index), each augmentation with numbers of its own: neither threads, batches nor a resumed run
//! change a pixel, and switching one on or off leaves what the others draw. All but mixing works on
//! bytes, before normalization.
//!
//! The order is fixed: resized crop; then flips, padding crop, rotation with scale, shear and shift,
//! perspective and elastic distortion, which are one look-up per pixel, bilinear, rounded once; then
//! RandAugment, colours, blur, noise, erasing; a caller's own; then, batch by batch, mixup and CutMix.

mod settings;

mod augmentation;

mod crop;

mod geometry;

mod affine;
mod elastic;
mod flip;
mod padding;
mod perspective;
mod warp;

mod blur;
mod color;
mod erase;
mod noise;
mod rand_augment;
mod tone;

mod mix;

mod policy;
mod presets;

pub use augmentation::{Augmentation, LAST_LANE, Scratch};
pub use erase::EraseFill;
pub use policy::Policy;
pub use presets::PRESETS;
pub use settings::{Augment, KEYS};
pub use warp::Border;

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod tests;
