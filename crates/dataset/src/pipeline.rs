//! What happens to an image between the source and the batch.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::normalize::Normalize;
use crate::placement::{Placement, place};
use crate::resize::Filter;
use crate::source::Images;

/// The steps from a decoded image to the numbers of a batch: channels, placement, normalization.
///
/// The first two are the same in every epoch and give bytes, which [`cache`] can keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Rows that the net takes.
    pub height: usize,
    /// Columns that the net takes.
    pub width: usize,
    /// Channels that the net takes: 1 (grey) or 3 (colour).
    pub channels: usize,
    /// How an image of another size is brought to this one. Default: stretched.
    #[serde(default)]
    pub placement: Placement,
    /// How values are weighed when an image is resized. Default: bilinear.
    #[serde(default)]
    pub filter: Filter,
    /// What bytes become. Default: `value / 255`.
    #[serde(default)]
    pub normalize: Normalize,
}

impl Pipeline {
    /// The pipeline that stretches images to a size and divides them by 255.
    pub fn plain(height: usize, width: usize, channels: usize) -> Self {
        Pipeline {
            height,
            width,
            channels,
            placement: Placement::Stretch,
            filter: Filter::Bilinear,
            normalize: Normalize::default(),
        }
    }

    /// The pipeline for nets trained on MNIST: 28x28 grey, digits placed as MNIST places them.
    ///
    /// The filter is bicubic, the sharpest, because it brought the UCI digits nearest to MNIST (see
    /// `docs/data.md`).
    pub fn mnist() -> Self {
        Pipeline {
            placement: Placement::Digit,
            filter: Filter::Bicubic,
            ..Pipeline::plain(28, 28, 1)
        }
    }

    /// Height, width, channels of what comes out.
    pub fn size(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Whether all settings can be used.
    ///
    /// # Errors
    ///
    /// When a side is 0 or above 16,384, there are neither 1 nor 3 channels, the crop or the
    /// normalization is not usable.
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
        self.normalize.check(self.channels)
    }

    /// Decodes an item and brings it to the pipeline's channels and size.
    ///
    /// # Errors
    ///
    /// When the item cannot be decoded, or has another size and the placement is to keep it.
    pub fn prepare(&self, source: &dyn Images, index: usize) -> Result<Image> {
        let image = source.decode(index)?.into_channels(self.channels)?;
        let found = image.size();
        place(image, (self.height, self.width), self.placement, self.filter).ok_or_else(|| {
            Error::Size { item: source.item_name(index), expected: self.size(), found }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::embedded;

    #[test]
    fn an_image_of_another_size_is_an_error_when_it_is_to_be_kept() {
        let pipeline = Pipeline { placement: Placement::AsIs, ..Pipeline::mnist() };
        assert_eq!(
            pipeline.prepare(&embedded::digits(), 0).unwrap_err().to_string(),
            "digits item 0 has height, width, channels [8, 8, 1], expected [28, 28, 1]; choose a \
             placement that resizes"
        );
    }

    #[test]
    fn settings_that_cannot_be_used_are_an_error() {
        let message = |pipeline: Pipeline| pipeline.check().unwrap_err().to_string();
        assert_eq!(message(Pipeline::plain(0, 8, 1)), "height is 0, expected 1 to 16384");
        assert_eq!(message(Pipeline::plain(8, 8, 2)), "channels is 2, expected 1 or 3");
    }

    #[test]
    fn a_pipeline_survives_json() {
        let pipeline = Pipeline::mnist();
        let text = serde_json::to_string(&pipeline).unwrap();
        assert_eq!(serde_json::from_str::<Pipeline>(&text).unwrap(), pipeline);
        let short = r#"{"height": 28, "width": 28, "channels": 1, "placement": "digit",
            "filter": "bicubic"}"#;
        assert_eq!(serde_json::from_str::<Pipeline>(short).unwrap(), pipeline);
    }
}
