//! Mixup and CutMix: a batch mixed with itself in another order, images and labels alike.

use crate::batch::Batch;
use crate::error::Result;
use crate::one_hot::one_hot;
use crate::random::{Purpose, Random};

/// How batches are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// Mixup's alpha; 0: off.
    pub mixup: f64,
    /// CutMix's alpha; 0: off. With both on, each mixes half of the batches.
    pub cutmix: f64,
    /// That a batch is mixed at all.
    pub probability: f64,
}

/// How one batch is mixed.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    /// For each item, the item that it is mixed with.
    partners: Vec<usize>,
    /// The item's own share.
    share: f64,
    /// CutMix: the part (rows, columns) that the partner gives, begin and end.
    cut: Option<[[usize; 2]; 2]>,
}

impl Mix {
    pub(crate) fn is_on(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0
    }

    /// Mixes a batch and sets its targets; `number` is the batch's number in its epoch.
    ///
    /// # Errors
    ///
    /// A label that is none of the classes.
    pub(crate) fn apply(
        &self,
        batch: &mut Batch,
        classes: usize,
        seed: u64,
        epoch: u64,
        number: u64,
    ) -> Result<()> {
        let mut random = Random::new(seed, Purpose::Mix, epoch, number);
        let mut targets = one_hot(&batch.labels, classes, 0.0)?;
        if let Some(drawn) = self.draw(batch.shape, &mut random) {
            blend_images(&mut batch.images, batch.shape, &drawn);
            blend(&mut targets, classes, &drawn.partners, drawn.share as f32);
        }
        batch.targets = Some(targets);
        Ok(())
    }

    /// `None` where this batch is left as it is.
    fn draw(&self, shape: [usize; 4], random: &mut Random) -> Option<Drawn> {
        let [n, _, height, width] = shape;
        if !random.chance(self.probability) {
            return None;
        }
        let mut partners: Vec<usize> = (0..n).collect();
        random.shuffle(&mut partners);
        // Where both are wanted, each gets half of the batches.
        let cuts = self.cutmix > 0.0 && (self.mixup == 0.0 || random.chance(0.5));
        if !cuts {
            return Some(Drawn { partners, share: random.beta(self.mixup), cut: None });
        }
        // Yun et al., 2019, section 3: a part of the share's area, cut at the border; the share is
        // then that of the pixels.
        let side = (1.0 - random.beta(self.cutmix)).sqrt();
        let mut range = |len: usize| {
            let (middle, half) = (random.below(len) as f64, 0.5 * side * len as f64);
            let place = |place: f64| place.clamp(0.0, len as f64).round() as usize;
            [place(middle - half), place(middle + half)]
        };
        let (rows, columns) = (range(height), range(width));
        let cut = (rows[1] - rows[0]) * (columns[1] - columns[0]);
        let share = 1.0 - cut as f64 / (height * width) as f64;
        Some(Drawn { partners, share, cut: Some([rows, columns]) })
    }
}

fn blend_images(images: &mut [f32], [_, channels, height, width]: [usize; 4], mix: &Drawn) {
    let each = channels * height * width;
    let Some([rows, columns]) = mix.cut else {
        return blend(images, each, &mix.partners, mix.share as f32);
    };
    let before = images.to_vec();
    for (image, &partner) in images.chunks_exact_mut(each).zip(&mix.partners) {
        let other = &before[partner * each..][..each];
        for channel in 0..channels {
            for row in rows[0]..rows[1] {
                let start = (channel * height + row) * width;
                let line = start + columns[0]..start + columns[1];
                image[line.clone()].copy_from_slice(&other[line]);
            }
        }
    }
}

/// Each row becomes `share` of its own and the rest of its partner's.
fn blend(rows: &mut [f32], each: usize, partners: &[usize], share: f32) {
    let before = rows.to_vec();
    for (row, &partner) in rows.chunks_exact_mut(each.max(1)).zip(partners) {
        let other = &before[partner * each..][..each];
        for (value, &other) in row.iter_mut().zip(other) {
            *value = share * *value + (1.0 - share) * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four 4x4 images whose pixels are their number.
    fn batch() -> Batch {
        let images = (0..64).map(|place| (place / 16) as f32).collect();
        let labels = vec![0, 1, 2, 3];
        Batch { images, shape: [4, 1, 4, 4], labels, indices: vec![0; 4], targets: None }
    }

    const MIXUP: Mix = Mix { mixup: 0.5, cutmix: 0.0, probability: 1.0 };
    const CUTMIX: Mix = Mix { mixup: 0.0, cutmix: 1.0, probability: 1.0 };

    fn mixed(mix: Mix, number: u64) -> Batch {
        let mut batch = batch();
        mix.apply(&mut batch, 4, 7, 1, number).unwrap();
        batch
    }

    #[test]
    fn images_and_targets_are_mixed_alike() {
        for mix in [MIXUP, CUTMIX, Mix { cutmix: 1.0, ..MIXUP }] {
            for number in 0..50 {
                let batch = mixed(mix, number);
                let targets = batch.targets.unwrap();
                for (image, target) in batch.images.chunks(16).zip(targets.chunks(4)) {
                    // Pixels are class numbers: their mean is the targets' expectation.
                    let mean = image.iter().sum::<f32>() / 16.0;
                    let expected: f32 = (0..4).map(|class| class as f32 * target[class]).sum();
                    assert!((mean - expected).abs() < 1e-5, "{image:?} {target:?}");
                    assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn cutmix_keeps_every_pixel_as_it_was_and_mixup_does_not() {
        let whole = |batch: &Batch| batch.images.iter().all(|value| value.fract() == 0.0);
        assert!((0..50).all(|number| whole(&mixed(CUTMIX, number))));
        let mixup = Mix { mixup: 1.0, ..MIXUP };
        assert!((0..50).any(|number| !whole(&mixed(mixup, number))));
    }

    #[test]
    fn a_mix_is_a_function_of_its_place() {
        assert_eq!(mixed(MIXUP, 3), mixed(MIXUP, 3));
        assert_ne!(mixed(MIXUP, 3), mixed(MIXUP, 4));
    }

    #[test]
    fn a_batch_that_is_not_mixed_has_hard_targets() {
        let batch = mixed(Mix { probability: 0.0, ..MIXUP }, 0);
        assert_eq!(batch.images, self::batch().images);
        assert_eq!(batch.targets.unwrap()[..4], [1.0, 0.0, 0.0, 0.0]);
    }
}
