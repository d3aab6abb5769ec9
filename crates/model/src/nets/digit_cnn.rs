//! Small convolutional nets for digits.

use candle_core::{Module, ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::{BuildNet, Net, NetConfig, NetInfo, NetSize};
use crate::layers::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Flatten, Linear, LinearConfig, MaxPool2d,
};
use crate::weights;

/// `digit-cnn`, see [`DigitCnn`].
pub const DIGIT_CNN: NetInfo = NetInfo {
    description: "three 3x3 convolutions with max-pools and batch-norms, one dense layer",
    blocks: || blocks(&SMALL),
    size: Some(NetSize { parameters: 95_242, multiply_adds: 5_550_848 }),
    ..digit_cnn("digit-cnn", |config, vb, _| DigitCnn::build(&SMALL, config, vb))
};

/// `digit-cnn-large`, see [`DigitCnn`].
pub const DIGIT_CNN_LARGE: NetInfo = NetInfo {
    description: "five 3x3 convolutions with max-pools and batch-norms, one dense layer",
    blocks: || blocks(&LARGE),
    size: Some(NetSize { parameters: 289_546, multiply_adds: 21_942_720 }),
    ..digit_cnn("digit-cnn-large", |config, vb, _| DigitCnn::build(&LARGE, config, vb))
};

/// What both of them share.
const fn digit_cnn(name: &'static str, build: BuildNet) -> NetInfo {
    NetInfo {
        default_input: (1, 28, 28),
        num_classes: 10,
        stem: "conv1",
        head: "fc",
        flatten: |config| {
            let (height, width) = flattened(config)?;
            Some(("fc.weight", weights::Flatten { height, width, channels: CHANNELS }))
        },
        lora: &["*"],
        ..NetInfo::new(name, build)
    }
}

/// The channels of each convolution; a max-pool ends each stage.
type Stages = [&'static [usize]; 3];

const SMALL: Stages = [&[16], &[64], &[CHANNELS]];
const LARGE: Stages = [&[32], &[64, 64], &[128, CHANNELS]];

/// The channels of the last plane.
const CHANNELS: usize = 128;

fn blocks(stages: &Stages) -> Vec<Vec<String>> {
    let mut numbers = 1..;
    let stages = stages.iter().map(|stage| {
        let numbers = numbers.by_ref().take(stage.len());
        numbers.flat_map(|number| [format!("conv{number}.*"), format!("bn{number}.*")]).collect()
    });
    stages.chain([vec!["fc.*".to_string()]]).collect()
}

/// A net that learns digits fast: most of its work is done on small planes.
///
/// Three stages of convolutions 3x3 with padding 1, each followed by ReLU and batch-norm, with a
/// max-pool 2 after the ReLU of a stage's last one; flatten, dense. `digit-cnn` has a convolution a
/// stage, to 16, 64 and 128 channels; `digit-cnn-large` one to 32 channels, two to 64 and two to 128.
/// Convolution, ReLU and pooling are one operation, and the batch-norm after them sees a quarter of
/// the pixels that it would see before. Weights start as PyTorch's defaults.
///
/// Parameters: `conv1` to `conv3` (`conv5`) and `fc`, each with `weight` and `bias`, `bn1` to `bn3`
/// (`bn5`) as [`BatchNorm`]; 95,242 (289,546) elements for (1, 28, 28) and 10 classes.
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
    blocks: Vec<Block>,
}

/// A convolution with what follows it.
#[derive(Clone, Debug)]
struct Block {
    conv: Conv2d,
    pool: Option<MaxPool2d>,
    norm: BatchNorm,
}

impl DigitCnn {
    /// Builds `digit-cnn`.
    ///
    /// # Errors
    ///
    /// Images below 8 pixels; those of `vb`.
    pub fn small(config: &NetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&SMALL, config, vb)
    }

    /// Builds `digit-cnn-large`.
    ///
    /// # Errors
    ///
    /// Those of [`DigitCnn::small`].
    pub fn large(config: &NetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&LARGE, config, vb)
    }

    fn new(stages: &Stages, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let Some((height, width)) = flattened(config) else {
            bail!(
                "digit-cnn needs images of at least 8x8 pixels, found {}x{} (height x width)",
                config.height,
                config.width
            );
        };
        let same = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
        let mut blocks = Vec::new();
        let mut input = config.channels;
        for stage in stages {
            for (index, &output) in stage.iter().enumerate() {
                let number = blocks.len() + 1;
                let (conv, norm) = (vb.pp(format!("conv{number}")), vb.pp(format!("bn{number}")));
                blocks.push(Block {
                    conv: Conv2d::new(input, output, (3, 3), same.clone(), conv)?,
                    pool: (index + 1 == stage.len()).then(|| MaxPool2d::new(2)),
                    norm: BatchNorm::new(output, BatchNormConfig::default(), norm)?,
                });
                input = output;
            }
        }
        let features = input * height * width;
        let head = Linear::new(features, config.num_classes, LinearConfig::default(), vb.pp("fc"))?;
        Ok(Self { body: DigitCnnBody { blocks }, head })
    }

    fn build(stages: &Stages, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Net> {
        let Self { body, head } = Self::new(stages, config, vb)?;
        Ok(Net::with_head(body, head))
    }
}

impl ModuleT for DigitCnnBody {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = images.clone();
        for Block { conv, pool, norm } in &self.blocks {
            x = norm.forward_t(&conv.forward_relu(&x, pool.as_ref())?, train)?;
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
