//! Images to tokens.

use candle_core::{ModuleT, Result, Tensor};

use super::conv2d::{Conv2d, Conv2dConfig};
use crate::builder::ParamBuilder;
use crate::init::Initializer;

/// Cuts images into square patches and maps each to a token: timm's `PatchEmbed`.
///
/// A convolution whose kernel is its stride; tokens in reading order. Pixels beyond the last whole
/// patch are left out.
///
/// Parameters: `proj.weight` (features, channels, size, size), truncated normal of deviation 0.02,
/// and `proj.bias` (features), zero.
///
/// # Shapes
///
/// (n, channels, h, w) to (n, h / size * w / size, features).
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::PatchEmbed;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let embed = PatchEmbed::new(3, 16, 192, vb.pp("patch_embed"))?;
/// let images = Tensor::zeros((2, 3, 32, 64), DType::F32, &Device::Cpu)?;
/// assert_eq!(embed.forward_t(&images, false)?.dims(), [2, 8, 192]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020.
#[derive(Clone, Debug)]
pub struct PatchEmbed {
    /// The map from a patch to a token.
    pub proj: Conv2d,
}

impl PatchEmbed {
    /// Patches of `size` pixels each way to tokens of `features`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        channels: usize,
        size: usize,
        features: usize,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let config = Conv2dConfig {
            stride: (size, size),
            weight_init: Initializer::trunc_normal(0.02),
            bias_init: Some(Initializer::Zeros),
            ..Conv2dConfig::default()
        };
        Ok(Self { proj: Conv2d::new(channels, features, (size, size), config, vb.pp("proj"))? })
    }
}

impl ModuleT for PatchEmbed {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.proj.forward_t(images, train)?.flatten_from(2)?.transpose(1, 2)?.contiguous()
    }
}
