//! How images are usually prepared for the nets that have pretrained weights, where a checkpoint is silent.

use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};
use taper_model::nets::NetInfo;

/// How images were prepared for the published weights of a net, its size left open (0); `None` for a net
/// that has none, such as those for handwritten digits.
pub(crate) fn usual_preprocessing(net: &NetInfo) -> Option<Preprocessing> {
    let images = net.images?;
    Some(Preprocessing {
        placement: match images.crop {
            Some(share) => ResizeMode::Crop(Crop::Share(share)),
            None => ResizeMode::Stretch,
        },
        filter: if images.bicubic { Filter::Bicubic } else { Filter::Bilinear },
        mean: images.mean.to_vec(),
        std: images.std.to_vec(),
        ..Preprocessing::default()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_net_of_three_channels_has_its_own() {
        for net in taper_model::nets::all() {
            assert_eq!(net.images.is_some(), net.default_input.0 == 3, "{}", net.name);
        }
    }
}
