//! Nets: architectures by name, each with what loading and fine-tuning need to know of it.
//!
//! [`all`] lists them. A net is built from a `VarBuilder`, so that a checkpoint, a seed or another
//! net's parameters may stand behind it:
//!
//! ```
//! use candle_core::{DType, Device, ModuleT, Tensor};
//! use taper_model::nets;
//! use taper_model::rng::RngKey;
//! use taper_model::weights::{Weights, WeightsConfig};
//!
//! let info = nets::find("lenet5").expect("it is one of ours");
//! let config = nets::NetConfig { num_classes: 26, ..info.config() };
//! let weights = Weights::new(WeightsConfig::default())?;
//! let vb = weights.var_builder(DType::F32, &Device::Cpu);
//! let net = (info.build)(&config, vb, &RngKey::new(0))?;
//! let (params, report) = weights.finish()?;
//!
//! let images = Tensor::zeros((2, 1, 28, 28), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.forward_t(&images, false)?.dims(), [2, 26]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cifar_resnet;
mod digit_cnn;
mod dinov2;
mod info;
mod keras_cnn;
mod lenet5;
mod mlp;
mod resnet;
mod vit;

pub use cifar_resnet::{
    CIFAR_RESNET20, CIFAR_RESNET32, CIFAR_RESNET44, CIFAR_RESNET56, CifarResNet,
};
pub use digit_cnn::{DIGIT_CNN, DIGIT_CNN_LARGE, DigitCnn};
pub use dinov2::DINOV2_SMALL;
pub use info::{BuildNet, Family, Net, NetConfig, NetInfo, NetSize, Patches, Prepared};
pub use keras_cnn::{KERAS_CNN, KerasCnn, KerasCnnBody, KerasCnnHead};
pub use lenet5::{LENET5, LeNet5};
pub use mlp::{MLP, Mlp};
pub use resnet::{RESNET18, RESNET34, RESNET50, RESNET101, ResNet, ResNetBlock, ResNetConfig};
pub use vit::{VIT_BASE, VIT_SMALL, VIT_TINY, Vit, VitBody, VitConfig, VitPool};

/// The nets that this crate knows.
pub fn all() -> &'static [NetInfo] {
    const {
        &[
            KERAS_CNN,
            DIGIT_CNN,
            DIGIT_CNN_LARGE,
            LENET5,
            MLP,
            CIFAR_RESNET20,
            CIFAR_RESNET32,
            CIFAR_RESNET44,
            CIFAR_RESNET56,
            RESNET18,
            RESNET34,
            RESNET50,
            RESNET101,
            VIT_TINY,
            VIT_SMALL,
            VIT_BASE,
            DINOV2_SMALL,
        ]
    }
}

/// The net called `name`.
pub fn find(name: &str) -> Option<&'static NetInfo> {
    all().iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests;
