//! How an image becomes a net's input.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::normalize;
use crate::resize::Filter;
use crate::resize_mode::{ResizeMode, resize_as};
use crate::source::{Images, sound};

/// The steps from a decoded image to the numbers of a batch: channels, resizing, then
/// `(value / 255 - mean) / std`.
///
/// The first two are the same in every epoch and give bytes, which [`cache`](crate::cache()) can
/// keep. With serde the fields are the keys of a recipe's table `image`:
///
/// ```
/// use taper_dataset::Preprocessing;
///
/// let mnist = r#"{"height": 28, "width": 28, "channels": 1, "placement": "digit",
///     "filter": "bicubic"}"#;
/// assert_eq!(serde_json::from_str::<Preprocessing>(mnist)?, Preprocessing::mnist());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocessing {
    /// Rows that the net takes. Default 0: not known yet.
    pub height: usize,
    /// Columns that the net takes. Default 0: not known yet.
    pub width: usize,
    /// Channels that the net takes: 1 (grey) or 3 (colour). Default 0: not known yet.
    pub channels: usize,
    /// How an image of another size is brought to this one. Default: stretched.
    pub placement: ResizeMode,
    /// How values are weighed when an image is resized. Default: bilinear.
    pub filter: Filter,
    /// Mean of each channel, in units of `value / 255`; one number stands for all. Default 0.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, in units of `value / 255`; one number stands for all.
    /// Default 1.
    pub std: Vec<f64>,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Preprocessing::plain(0, 0, 0)
    }
}

impl Preprocessing {
    /// Images are stretched to a size and divided by 255.
    pub fn plain(height: usize, width: usize, channels: usize) -> Self {
        Preprocessing {
            height,
            width,
            channels,
            placement: ResizeMode::Stretch,
            filter: Filter::Bilinear,
            mean: vec![0.0],
            std: vec![1.0],
        }
    }

    /// That of nets trained on MNIST: 28x28 grey, digits placed as MNIST places them.
    ///
    /// The filter is bicubic, the sharpest, because it brought the UCI digits nearest to MNIST (see
    /// `docs/data.md`).
    pub fn mnist() -> Self {
        Preprocessing {
            placement: ResizeMode::Digit,
            filter: Filter::Bicubic,
            ..Preprocessing::plain(28, 28, 1)
        }
    }

    /// Height, width, channels of what comes out.
    pub fn size(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Channels, height, width: the shape of one image as a net takes it.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Whether all settings can be used.
    ///
    /// # Errors
    ///
    /// When a side is 0 or above 16,384; there are neither 1 nor 3 channels; the crop is not usable;
    /// of mean or deviation there is neither one number nor one per channel, one is not finite, or a
    /// deviation is not above 0.
    pub fn check(&self) -> Result<()> {
        for (name, side) in [("height", self.height), ("width", self.width)] {
            if !(1..=1 << 14).contains(&side) {
                return Err(Error::setting(name, "1 to 16384", side));
            }
        }
        if ![1, 3].contains(&self.channels) {
            return Err(Error::setting("channels", "1 or 3", self.channels));
        }
        self.placement.check()?;
        for (name, what, numbers, above) in [
            ("mean", "finite number", &self.mean, f64::NEG_INFINITY),
            ("std", "number above 0", &self.std, 0.0),
        ] {
            let count = numbers.len() == 1 || numbers.len() == self.channels;
            if !count || !numbers.iter().all(|&number| number.is_finite() && number > above) {
                let expected = format!("one {what}, or one per channel ({})", self.channels);
                return Err(Error::setting(name, expected, format!("{numbers:?}")));
            }
        }
        Ok(())
    }

    /// Decodes an item and brings it to the net's channels and size.
    ///
    /// # Errors
    ///
    /// When the item cannot be decoded, or has another size and is to be kept as it is.
    pub fn prepare(&self, source: &dyn Images, index: usize) -> Result<Image> {
        let image = sound(source, index, source.decode(index)?)?.into_channels(self.channels)?;
        let found = image.size();
        let resized = resize_as(image, (self.height, self.width), self.placement, self.filter);
        resized.ok_or_else(|| Error::Size {
            item: source.item_name(index),
            expected: self.size(),
            found,
        })
    }

    /// What each of the 256 bytes becomes, for each channel.
    pub(crate) fn tables(&self) -> Vec<[f32; 256]> {
        normalize::tables(&self.mean, &self.std, self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::embedded;

    #[test]
    fn an_image_of_another_size_is_an_error_when_it_is_to_be_kept() {
        let keep = Preprocessing { placement: ResizeMode::AsIs, ..Preprocessing::mnist() };
        assert_eq!(
            keep.prepare(&embedded::digits(), 0).unwrap_err().to_string(),
            "digits item 0 has height, width, channels [8, 8, 1], expected [28, 28, 1]; choose a \
             placement that resizes"
        );
    }

    #[test]
    fn settings_that_cannot_be_used_are_an_error() {
        let message = |of: Preprocessing| of.check().unwrap_err().to_string();
        assert_eq!(message(Preprocessing::plain(0, 8, 1)), "height is 0, expected 1 to 16384");
        assert_eq!(message(Preprocessing::plain(8, 8, 2)), "channels is 2, expected 1 or 3");
    }

    #[test]
    fn a_mean_or_deviation_that_cannot_be_used_is_an_error() {
        let message = |mean: &[f64], std: &[f64]| {
            let (mean, std) = (mean.to_vec(), std.to_vec());
            let colour = Preprocessing { mean, std, ..Preprocessing::plain(8, 8, 3) };
            colour.check().unwrap_err().to_string()
        };
        assert_eq!(
            message(&[0.1, 0.2], &[1.0]),
            "mean is [0.1, 0.2], expected one finite number, or one per channel (3)"
        );
        assert_eq!(
            message(&[0.1], &[0.0]),
            "std is [0.0], expected one number above 0, or one per channel (3)"
        );
        assert!(message(&[0.1], &[]).starts_with("std is []"));
        assert!(message(&[f64::NAN], &[1.0]).starts_with("mean is [NaN]"));
    }

    #[test]
    fn preprocessing_survives_json() {
        let text = serde_json::to_string(&Preprocessing::mnist()).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), Preprocessing::mnist());
    }
}
