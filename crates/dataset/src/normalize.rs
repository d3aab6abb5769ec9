//! From bytes to the numbers a net takes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;

/// `(value / 255 - mean) / std`, per channel.
///
/// One number stands for all channels. The default, mean 0 and standard deviation 1, is
/// `value / 255`. A model's configuration (timm's and transformers' `mean` and `std`) reads into
/// this as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// Mean of each channel, in units of `value / 255`. Default 0.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, in units of `value / 255`. Default 1.
    pub std: Vec<f64>,
}

impl Default for Normalize {
    fn default() -> Self {
        Normalize { mean: vec![0.0], std: vec![1.0] }
    }
}

impl Normalize {
    /// Mean and standard deviation of ImageNet, as most pretrained models were trained with.
    pub fn imagenet() -> Self {
        Normalize { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Mean and standard deviation of MNIST's train part, 28x28.
    pub fn mnist() -> Self {
        Normalize { mean: vec![0.1307], std: vec![0.3081] }
    }

    /// Whether mean and std fit a number of channels.
    ///
    /// # Errors
    ///
    /// When there is neither one number nor one per channel, a number is not finite, or a standard
    /// deviation is not above 0.
    pub fn check(&self, channels: usize) -> Result<()> {
        let fits = |numbers: &[f64]| numbers.len() == 1 || numbers.len() == channels;
        let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        let expected = |what: &str| format!("one {what}, or one per channel ({channels})");
        if !fits(&self.mean) || !finite(&self.mean) {
            let found = format!("{:?}", self.mean);
            return Err(Error::setting("normalize.mean", expected("finite number"), found));
        }
        if !fits(&self.std) || !finite(&self.std) || self.std.iter().any(|&std| std <= 0.0) {
            let found = format!("{:?}", self.std);
            return Err(Error::setting("normalize.std", expected("number above 0"), found));
        }
        Ok(())
    }

    /// The result for each of the 256 bytes, for each channel.
    pub(crate) fn tables(&self, channels: usize) -> Vec<[f32; 256]> {
        let of = |numbers: &[f64], channel: usize| numbers[channel.min(numbers.len() - 1)] as f32;
        let table = |channel| {
            let (mean, std) = (of(&self.mean, channel), of(&self.std, channel));
            // In f32 and in this order, as torchvision does.
            std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
        };
        (0..channels).map(table).collect()
    }
}

/// Writes an image as (channel, height, width) through one table per channel.
pub(crate) fn write(image: &Image, tables: &[[f32; 256]], out: &mut [f32]) {
    let area = image.height * image.width;
    for (channel, (table, plane)) in tables.iter().zip(out.chunks_exact_mut(area)).enumerate() {
        let values = image.pixels[channel..].iter().step_by(image.channels);
        for (out, &value) in plane.iter_mut().zip(values) {
            *out = table[usize::from(value)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_divides_by_255() {
        let table = Normalize::default().tables(1)[0];
        for value in 0..=255u8 {
            assert_eq!(table[usize::from(value)], f32::from(value) / 255.0);
        }
    }

    #[test]
    fn channels_are_written_one_after_the_other() {
        let image = Image::new(1, 2, 3, vec![0, 51, 255, 255, 0, 0]).unwrap();
        let normalize = Normalize { mean: vec![0.0, 0.2, 0.5], std: vec![1.0, 1.0, 0.5] };
        let mut out = [0.0; 6];
        write(&image, &normalize.tables(3), &mut out);
        assert_eq!(out, [0.0, 1.0, 0.0, -0.2, 1.0, -1.0]);
    }

    #[test]
    fn numbers_that_cannot_be_used_are_an_error() {
        let message = |mean: &[f64], std: &[f64]| {
            Normalize { mean: mean.to_vec(), std: std.to_vec() }.check(3).unwrap_err().to_string()
        };
        assert_eq!(
            message(&[0.1, 0.2], &[1.0]),
            "normalize.mean is [0.1, 0.2], expected one finite number, or one per channel (3)"
        );
        assert_eq!(
            message(&[0.1], &[0.0]),
            "normalize.std is [0.0], expected one number above 0, or one per channel (3)"
        );
        assert!(message(&[0.1], &[]).starts_with("normalize.std is []"));
        assert!(message(&[f64::NAN], &[1.0]).starts_with("normalize.mean is [NaN]"));
        assert!(Normalize::imagenet().check(3).is_ok());
    }
}
