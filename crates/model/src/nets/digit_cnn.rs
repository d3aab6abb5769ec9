//! A small convolutional net for digits.

use candle_core::{Module, ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::{Net, NetConfig, NetInfo, NetSize};
use crate::layers::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Flatten, Linear, LinearConfig, MaxPool2d,
};
use crate::rng::RngKey;
use crate::weights;

/// `digit-cnn`, see [`DigitCnn`].
pub const DIGIT_CNN: NetInfo = NetInfo {
    name: "digit-cnn",
    description: "three 3x3 convolutions with max-pools and batch-norms, one dense layer",
    default_input: (1, 28, 28),
    num_classes: 10,
    stem: "conv1",
    head: "fc",
    key_maps: &[],
    export: None,
    flatten: |config| {
        let (height, width) = flattened(config)?;
        Some(("fc.weight", weights::Flatten { height, width, channels: 128 }))
    },
    patches: None,
    blocks: || {
        let block = |number: usize| vec![format!("conv{number}.*"), format!("bn{number}.*")];
        vec![block(1), block(2), block(3), vec!["fc.*".to_string()]]
    },
    lora: &["*"],
    size: Some(NetSize { parameters: 95_242, multiply_adds: 5_550_848 }),
    hub: None,
    build: |config, vb, key| {
        let DigitCnn { body, head } = DigitCnn::new(config, vb, key)?;
        Ok(Net::with_head(body, head))
    },
};

/// A net that learns digits fast: most of its work is done on small planes.
///
/// Three times conv 3x3 with padding 1, ReLU, max-pool 2 and batch-norm, to 16, 64 and 128
/// channels; flatten, dense. Convolution, ReLU and pooling are one operation, and the batch-norm
/// after them sees a quarter of the pixels that it would see before. Weights start as PyTorch's
/// defaults.
///
/// Parameters: `conv1` to `conv3` and `fc`, each with `weight` and `bias`, `bn1` to `bn3` as
/// [`BatchNorm`]; 95,242 elements for (1, 28, 28) and 10 classes.
///
/// # Shapes
///
/// (n, channels, height, width), at least 8 pixels each way, to (n, classes).
#[derive(Clone, Debug)]
pub struct DigitCnn {
    /// From images to features (n, 128 * (height / 8) * (width / 8)).
    pub body: DigitCnnBody,
    /// From features to logits.
    pub head: Linear,
}

/// The part of a [`DigitCnn`] up to its dense layer.
#[derive(Clone, Debug)]
pub struct DigitCnnBody {
    blocks: [(Conv2d, BatchNorm); 3],
}

impl DigitCnn {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images below 8 pixels; those of `vb`.
    pub fn new(config: &NetConfig, vb: VarBuilder<'_>, _key: &RngKey) -> Result<Self> {
        let Some((height, width)) = flattened(config) else {
            bail!(
                "digit-cnn needs images of at least 8x8 pixels, found {}x{} (height x width)",
                config.height,
                config.width
            );
        };
        let block = |input, output, number: usize| -> Result<_> {
            let same = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
            let (conv, norm) = (vb.pp(format!("conv{number}")), vb.pp(format!("bn{number}")));
            Ok((
                Conv2d::new(input, output, (3, 3), same, conv)?,
                BatchNorm::new(output, BatchNormConfig::default(), norm)?,
            ))
        };
        let blocks = [block(config.channels, 16, 1)?, block(16, 64, 2)?, block(64, 128, 3)?];
        let features = 128 * height * width;
        let head = Linear::new(features, config.num_classes, LinearConfig::default(), vb.pp("fc"))?;
        Ok(Self { body: DigitCnnBody { blocks }, head })
    }
}

impl ModuleT for DigitCnnBody {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = images.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_t(&conv.forward_relu(&x, Some(&MaxPool2d::new(2)))?, train)?;
        }
        Flatten.forward(&x)
    }
}

impl ModuleT for DigitCnn {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward(&self.body.forward_t(images, train)?)
    }
}

/// Height and width of the last plane; `None` for images that are too small.
fn flattened(config: &NetConfig) -> Option<(usize, usize)> {
    let side = |size: usize| Some(size / 8).filter(|&size| size > 0);
    side(config.height).zip(side(config.width))
}
