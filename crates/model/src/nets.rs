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
mod net;
mod resnet;
mod vit;

use std::sync::LazyLock;

pub use info::{BuildNet, Family, NetConfig, NetInfo, NetSize, Patches, Prepared};
pub use net::Net;

/// The files of nets; each is one family.
static FAMILIES: [fn() -> Vec<NetInfo>; 8] = [
    keras_cnn::nets,
    digit_cnn::nets,
    lenet5::nets,
    mlp::nets,
    cifar_resnet::nets,
    resnet::nets,
    vit::nets,
    dinov2::nets,
];

/// The nets that this crate knows.
pub fn all() -> &'static [NetInfo] {
    static ALL: LazyLock<Vec<NetInfo>> =
        LazyLock::new(|| FAMILIES.iter().flat_map(|nets| nets()).collect());
    &ALL
}

/// The net called `name`.
pub fn find(name: &str) -> Option<&'static NetInfo> {
    all().iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests;
