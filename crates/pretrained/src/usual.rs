//! How images are usually prepared for the nets that have pretrained weights, where a checkpoint is silent.

use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};

/// How images were prepared for the published weights of a net, its size left open (0); `None` for a net
/// that has none, such as those for handwritten digits.
pub(crate) fn usual_preprocessing(net: &str) -> Option<Preprocessing> {
    // torchvision's for its ResNets: 224 out of 256, bilinear, ImageNet's mean and deviation.
    let torchvision = Preprocessing {
        placement: ResizeMode::Crop(Crop::Share(0.875)),
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        ..Preprocessing::default()
    };
    match net {
        "resnet18" | "resnet34" | "resnet50" | "resnet101" => Some(torchvision),
        // ImageNet's mean and deviation, as the widely used PyTorch implementation has them for CIFAR-10,
        // too.
        "cifar_resnet20" | "cifar_resnet32" | "cifar_resnet44" | "cifar_resnet56" => {
            Some(Preprocessing { placement: ResizeMode::Stretch, ..torchvision })
        }
        "vit_small_patch14_dinov2"
        | "efficientnet_b0"
        | "tf_efficientnet_b0"
        | "mobilenetv2_100"
        | "mobilenetv3_small_100"
        | "mobilenetv3_large_100"
        | "mobilenetv4_conv_small" => {
            Some(Preprocessing { filter: Filter::Bicubic, ..torchvision })
        }
        "tf_efficientnet_lite0" => Some(Preprocessing {
            filter: Filter::Bicubic,
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
            ..torchvision
        }),
        // Trained by Google, in timm and in transformers: mean and deviation 0.5.
        "vit_tiny_patch16_224" | "vit_small_patch16_224" | "vit_base_patch16_224" => {
            Some(Preprocessing {
                placement: ResizeMode::Crop(Crop::Share(0.9)),
                filter: Filter::Bicubic,
                mean: vec![0.5; 3],
                std: vec![0.5; 3],
                ..Preprocessing::default()
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_net_of_three_channels_has_its_own() {
        for net in taper_model::nets::all() {
            let usual = usual_preprocessing(net.name);
            assert_eq!(usual.is_some(), net.default_input.0 == 3, "{}", net.name);
        }
    }
}
