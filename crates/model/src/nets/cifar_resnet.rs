//! ResNets for images of 32 pixels.

use candle_core::{ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::{BuildNet, Net, NetConfig, NetInfo, NetSize, Prepared};
use crate::init::{FanMode, Initializer};
use crate::layers::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, GlobalAvgPool2d, Linear, LinearConfig, Relu,
    Residual, Sequential, Subsample,
};
use crate::weights::NamedKeyMap;

/// `cifar_resnet20`, see [`CifarResNet`].
pub const CIFAR_RESNET20: NetInfo = NetInfo {
    description: "ResNet-20 for 32x32 images: 3 basic blocks a stage",
    blocks: || blocks(3),
    size: Some(NetSize { parameters: 269_722, multiply_adds: 40_739_456 }),
    ..cifar_resnet("cifar_resnet20", |config, vb, _| CifarResNet::build(3, config, vb))
};

/// `cifar_resnet32`, see [`CifarResNet`].
pub const CIFAR_RESNET32: NetInfo = NetInfo {
    description: "ResNet-32 for 32x32 images: 5 basic blocks a stage",
    blocks: || blocks(5),
    size: Some(NetSize { parameters: 464_154, multiply_adds: 69_165_696 }),
    ..cifar_resnet("cifar_resnet32", |config, vb, _| CifarResNet::build(5, config, vb))
};

/// `cifar_resnet44`, see [`CifarResNet`].
pub const CIFAR_RESNET44: NetInfo = NetInfo {
    description: "ResNet-44 for 32x32 images: 7 basic blocks a stage",
    blocks: || blocks(7),
    size: Some(NetSize { parameters: 658_586, multiply_adds: 97_591_936 }),
    ..cifar_resnet("cifar_resnet44", |config, vb, _| CifarResNet::build(7, config, vb))
};

/// `cifar_resnet56`, see [`CifarResNet`].
pub const CIFAR_RESNET56: NetInfo = NetInfo {
    description: "ResNet-56 for 32x32 images: 9 basic blocks a stage",
    blocks: || blocks(9),
    size: Some(NetSize { parameters: 853_018, multiply_adds: 126_018_176 }),
    ..cifar_resnet("cifar_resnet56", |config, vb, _| CifarResNet::build(9, config, vb))
};

/// What all of them share.
const fn cifar_resnet(name: &'static str, build: BuildNet) -> NetInfo {
    NetInfo {
        default_input: (3, 32, 32),
        num_classes: 10,
        stem: "conv1",
        head: "linear",
        key_maps: KEY_MAPS,
        lora: &["layer*.conv*"],
        prepared: Some(CIFAR),
        ..NetInfo::new(name, build)
    }
}

/// ImageNet's mean and deviation, as the widely used PyTorch implementation has them for CIFAR-10, too.
const CIFAR: Prepared = Prepared { crop: None, ..Prepared::torchvision() };

/// PyTorch's `DataParallel`, in which these nets are usually trained and saved.
const KEY_MAPS: &[NamedKeyMap] = &[NamedKeyMap::renames("data-parallel", &[("module.*", "*")])];

fn blocks(depth: usize) -> Vec<Vec<String>> {
    let stem = vec!["conv1.*".to_string(), "bn1.*".to_string()];
    let blocks = (1..=3)
        .flat_map(|stage| (0..depth).map(move |block| vec![format!("layer{stage}.{block}.*")]));
    std::iter::once(stem).chain(blocks).chain([vec!["linear.*".to_string()]]).collect()
}

/// A ResNet for 32x32 images, with the names of PyTorch's common implementation for CIFAR-10.
///
/// Conv 3x3x16, batch-norm, ReLU; three stages of `depth` basic blocks with 16, 32 and 64 channels,
/// each but the first halving the image, with shortcuts that have no parameters
/// ([`Subsample`]); global average pool; dense. `6 depth + 2` layers with weights. They start as
/// in the paper, from He's normal distribution (by fan-in).
///
/// Parameters: `conv1`, `bn1`, `layer1.0.conv1`, `layer1.0.bn1`, …, `linear`.
///
/// # Shapes
///
/// (n, channels, height, width), 1 pixel each way or more, to (n, classes).
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2.
pub struct CifarResNet {
    /// From images to features (n, 64).
    pub body: Sequential,
    /// From features to logits.
    pub head: Linear,
}

impl CifarResNet {
    /// Builds it with `depth` blocks a stage.
    ///
    /// # Errors
    ///
    /// Images without pixels; those of `vb`.
    pub fn new(depth: usize, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        if config.height == 0 || config.width == 0 {
            bail!(
                "a ResNet needs images of at least one pixel, found {}x{} (height x width)",
                config.height,
                config.width
            );
        }
        let mut body = Sequential::new()
            .add(Conv2d::new(config.channels, 16, (3, 3), convolution(1), vb.pp("conv1"))?)
            .add(BatchNorm::new(16, BatchNormConfig::default(), vb.pp("bn1"))?)
            .add(Relu);
        let mut channels = 16;
        for stage in 0..3 {
            let (width, vb) = (16 << stage, vb.pp(format!("layer{}", stage + 1)));
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                body.push(block(channels, width, stride, vb.pp(index))?);
                body.push(Relu);
                channels = width;
            }
        }
        body.push(GlobalAvgPool2d);
        let dense = LinearConfig { weight_init: he(), ..LinearConfig::default() };
        let head = Linear::new(channels, config.num_classes, dense, vb.pp("linear"))?;
        Ok(Self { body, head })
    }

    fn build(depth: usize, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Net> {
        let Self { body, head } = Self::new(depth, config, vb)?;
        Ok(Net::with_head(body, head))
    }
}

impl ModuleT for CifarResNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward_t(&self.body.forward_t(images, train)?, train)
    }
}

fn he() -> Initializer {
    Initializer::KaimingNormal { a: 0.0, mode: FanMode::In }
}

fn convolution(stride: usize) -> Conv2dConfig {
    Conv2dConfig {
        stride: (stride, stride),
        padding: (1, 1),
        bias: false,
        weight_init: he(),
        ..Conv2dConfig::default()
    }
}

/// A block without the ReLU after the sum.
fn block(channels: usize, width: usize, stride: usize, vb: VarBuilder<'_>) -> Result<Residual> {
    let norm = |name| BatchNorm::new(width, BatchNormConfig::default(), vb.pp(name));
    let main = Sequential::new()
        .add(Conv2d::new(channels, width, (3, 3), convolution(stride), vb.pp("conv1"))?)
        .add(norm("bn1")?)
        .add(Relu)
        .add(Conv2d::new(width, width, (3, 3), convolution(1), vb.pp("conv2"))?)
        .add(norm("bn2")?);
    Ok(match stride == 1 && channels == width {
        true => Residual::new(main),
        false => Residual::with_shortcut(main, Subsample { stride, channels: width }),
    })
}
