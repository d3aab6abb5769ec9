//! The weights for photos that Taper ships, as bytes: EfficientNet-Lite0, trained on ImageNet, in half precision.
//! The README says who made them and under which licence.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The file `tf_efficientnet_lite0.safetensors`.
pub static TF_EFFICIENTNET_LITE0: &[u8] = include_bytes!("../tf_efficientnet_lite0.safetensors");
