//! The blocks that small convolutional nets are made of, and the nets that are a list of them.

use candle_core::{Result, Tensor, bail};

use super::info::{Family, NetConfig, NetInfo, UsualImages};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvNorm, Flatten,
    GlobalAvgPool2d, Linear, LinearConfig, Residual, Sequential, SqueezeExcite,
};

/// How a block is made; a filter of `kernel` pixels stands where not said otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A convolution, batch-norm, activation.
    Plain,
    /// A depthwise convolution, then 1x1.
    Separable,
    /// 1x1 to a wider block, depthwise, 1x1 back.
    Inverted,
    /// The same with another depthwise convolution before (`start` pixels; 0 for none), the one in
    /// the middle being left out where `kernel` is 0: MobileNetV4's universal inverted bottleneck.
    Universal {
        /// Its filter's side, in pixels.
        start: usize,
    },
}

/// `repeats` blocks of one kind, of which the first alone has the stride.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub kind: Kind,
    pub repeats: usize,
    /// The filter's side, in pixels.
    pub kernel: usize,
    pub stride: usize,
    /// The block's width as a multiple of its input channels.
    pub expansion: f64,
    /// Output channels.
    pub channels: usize,
    /// Whether squeeze-and-excitation stands behind the depthwise convolution.
    pub squeeze: bool,
    pub activation: Activation,
}

/// A list of blocks of one kind: repeats, filter's side, stride, expansion, channels.
pub(super) type Row = (usize, usize, usize, f64, usize);

impl Blocks {
    /// Without squeeze-and-excitation.
    pub fn new(
        kind: Kind,
        activation: Activation,
        (repeats, kernel, stride, expansion, channels): Row,
    ) -> Self {
        Self { kind, repeats, kernel, stride, expansion, channels, squeeze: false, activation }
    }
}

/// A convolution and its batch-norm, or a squeeze-and-excitation, of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole of [`Kind::Plain`].
    Plain,
    /// A depthwise convolution of so many pixels before the block is widened, without activation.
    Start(usize),
    /// 1x1 to a wider block.
    Expand,
    /// A depthwise convolution.
    Depthwise,
    /// Squeeze-and-excitation.
    Squeeze,
    /// 1x1 to the output channels, without activation.
    Project,
}

impl Blocks {
    /// The parts of each block in their order, with the names of convolution and batch-norm; of a
    /// squeeze-and-excitation, those of its two layers.
    pub fn parts(&self) -> Vec<(Part, [&'static str; 2])> {
        use Part::{Depthwise, Expand, Plain, Project, Squeeze, Start};
        let squeeze = self.squeeze.then_some((Squeeze, ["se.conv_reduce", "se.conv_expand"]));
        match self.kind {
            Kind::Plain => vec![(Plain, ["conv", "bn1"])],
            Kind::Separable => [(Depthwise, ["conv_dw", "bn1"])]
                .into_iter()
                .chain(squeeze)
                .chain([(Project, ["conv_pw", "bn2"])])
                .collect(),
            Kind::Inverted => [(Expand, ["conv_pw", "bn1"]), (Depthwise, ["conv_dw", "bn2"])]
                .into_iter()
                .chain(squeeze)
                .chain([(Project, ["conv_pwl", "bn3"])])
                .collect(),
            Kind::Universal { start } => (start > 0)
                .then_some((Start(start), ["dw_start.conv", "dw_start.bn"]))
                .into_iter()
                .chain([(Expand, ["pw_exp.conv", "pw_exp.bn"])])
                .chain((self.kernel > 0).then_some((Depthwise, ["dw_mid.conv", "dw_mid.bn"])))
                .chain([(Project, ["pw_proj.conv", "pw_proj.bn"])])
                .collect(),
        }
    }
}

/// What stands between the last block and the logits; the number is the features'.
#[derive(Clone, Copy)]
pub(super) enum Neck {
    /// 1x1 convolution, batch-norm under this name, activation, then the mean of each plane.
    Full(usize, &'static str),
    /// The mean of each plane, then a 1x1 convolution with a bias, and activation.
    Pooled(usize),
    /// The mean of each plane, 1x1 convolution, batch-norm under this name, activation.
    PooledNorm(usize, &'static str),
}

impl Neck {
    fn features(self) -> usize {
        match self {
            Self::Full(features, _) | Self::Pooled(features) | Self::PooledNorm(features, _) => {
                features
            }
        }
    }
}

/// A squeeze-and-excitation's choices.
#[derive(Clone, Copy)]
pub(super) struct Squeeze {
    /// Its width is a quarter of the block's input channels; else of the block's width, rounded to a
    /// multiple of eight.
    pub of_input: bool,
    /// Between its two layers.
    pub activation: Activation,
    /// What the factors come out of.
    pub gate: Activation,
}

/// A net that is a list of blocks: timm's family `EfficientNet`, whose names it has.
#[derive(Clone)]
pub(super) struct BlockNet {
    /// Channels of the first convolution, 3x3 of stride 2.
    pub stem: usize,
    /// The activation of stem and neck.
    pub activation: Activation,
    /// The blocks of each stage.
    pub stages: Vec<Vec<Blocks>>,
    pub neck: Neck,
    pub squeeze: Squeeze,
    /// Whether images are padded as TensorFlow's "same" does, the greater half of the zeros below
    /// and to the right; else by half a filter on both sides.
    pub same: bool,
    /// Added to the variance of batch-norms.
    pub eps: f64,
}

/// What all of these nets share.
pub(super) fn block_net(name: &'static str, net: BlockNet) -> NetInfo {
    let universal =
        net.stages.iter().flatten().any(|blocks| matches!(blocks.kind, Kind::Universal { .. }));
    NetInfo {
        stem: "conv_stem",
        head: "classifier",
        stages: net.stages(),
        lora: if universal { &["blocks.*.pw_*.conv"] } else { &["blocks.*.conv_pw*"] },
        family: Family::Convolutional,
        images: Some(UsualImages::IMAGENET),
        ..NetInfo::new(name, move |config, vb, _| net.build(config, vb))
    }
}

impl BlockNet {
    /// The stages that fine-tuning counts: stem, each block, neck and head.
    fn stages(&self) -> Vec<Vec<String>> {
        let blocks = self.stages.iter().enumerate().flat_map(|(stage, blocks)| {
            let repeats: usize = blocks.iter().map(|blocks| blocks.repeats).sum();
            (0..repeats).map(move |index| vec![format!("blocks.{stage}.{index}.*")])
        });
        let mut last = vec!["conv_head.*".to_string()];
        if let Neck::Full(_, norm) | Neck::PooledNorm(_, norm) = self.neck {
            last.push(format!("{norm}.*"));
        }
        let stem = vec!["conv_stem.*".to_string(), "bn1.*".to_string()];
        let head = vec!["classifier.*".to_string()];
        std::iter::once(stem).chain(blocks).chain([last, head]).collect()
    }

    /// Builds it.
    fn build(&self, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
        if config.height == 0 || config.width == 0 {
            bail!(
                "the net needs images of at least one pixel, found {}x{} (height x width)",
                config.height,
                config.width
            );
        }
        let size = (config.height, config.width);
        let mut path =
            Builder { net: self, channels: config.channels, size, body: Sequential::new() };
        let act = Some(self.activation);
        path.conv_norm(self.stem, (3, 2, 1), act, [vb.pp("conv_stem"), vb.pp("bn1")])?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            let repeated = blocks.iter().flat_map(|blocks| {
                (0..blocks.repeats)
                    .map(|i| Blocks { stride: if i > 0 { 1 } else { blocks.stride }, ..*blocks })
            });
            for (index, block) in repeated.enumerate() {
                path.block(&block, vb.pp("blocks").pp(stage).pp(index))?;
            }
        }
        let conv_head = vb.pp("conv_head");
        match self.neck {
            Neck::Full(features, norm) => {
                path.conv_norm(features, (1, 1, 1), act, [conv_head, vb.pp(norm)])?;
                path.body.push(GlobalAvgPool2d);
            }
            Neck::Pooled(features) => {
                path.body.push(GlobalAvgPool2d);
                path.body.push(plane);
                let conv = Conv2dConfig { bias: true, ..convolution(features, 1, 1) };
                path.body.push(Conv2d::new(path.channels, features, (1, 1), conv, conv_head)?);
                path.body.push(self.activation);
                path.body.push(Flatten);
            }
            Neck::PooledNorm(features, norm) => {
                path.body.push(GlobalAvgPool2d);
                path.body.push(plane);
                path.size = (1, 1);
                path.conv_norm(features, (1, 1, 1), act, [conv_head, vb.pp(norm)])?;
                path.body.push(Flatten);
            }
        }
        let head = Linear::new(
            self.neck.features(),
            config.num_classes,
            LinearConfig::default(),
            vb.pp("classifier"),
        )?;
        Ok(Net { body: path.body, head: Sequential::new().add(head) })
    }
}

/// Features (n, c) as planes of one pixel.
fn plane(x: &Tensor) -> Result<Tensor> {
    let (n, c) = x.dims2()?;
    x.reshape((n, c, 1, 1))
}

/// timm's first values, those of TensorFlow's EfficientNets; no bias.
fn convolution(outputs: usize, kernel: usize, groups: usize) -> Conv2dConfig {
    let weight_init = Initializer::grouped_fan_out(outputs, kernel, groups);
    Conv2dConfig { groups, bias: false, weight_init, ..Conv2dConfig::default() }
}

/// A number of channels as a multiple of eight, not more than a tenth less than it was.
fn multiple_of_eight(channels: f64) -> usize {
    let rounded = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels { rounded + 8 } else { rounded }
}

/// Layers in a row, and what an image is behind the last of them.
struct Builder<'a> {
    net: &'a BlockNet,
    channels: usize,
    /// (height, width), in pixels.
    size: (usize, usize),
    body: Sequential,
}

impl Builder<'_> {
    /// A convolution of (filter's side, stride, groups), batch-norm and activation.
    fn conv_norm(
        &mut self,
        channels: usize,
        (kernel, stride, groups): (usize, usize, usize),
        activation: Option<Activation>,
        [conv, norm]: [ParamBuilder<'_>; 2],
    ) -> Result<()> {
        let stride = (stride, stride);
        let config = Conv2dConfig { stride, ..convolution(channels, kernel, groups) };
        let config = if self.net.same {
            config.same_padding(self.size, (kernel, kernel))
        } else {
            Conv2dConfig { padding: (kernel / 2, kernel / 2), ..config }
        };
        let conv = Conv2d::new(self.channels, channels, (kernel, kernel), config, conv)?;
        let config =
            BatchNormConfig { eps: self.net.eps, activation, ..BatchNormConfig::default() };
        self.body.push(ConvNorm { conv, norm: BatchNorm::new(channels, config, norm)? });
        self.channels = channels;
        // Odd filters: either padding leaves as many pixels.
        self.size = (self.size.0.div_ceil(stride.0), self.size.1.div_ceil(stride.1));
        Ok(())
    }

    fn squeeze(&mut self, inputs: usize, vb: ParamBuilder<'_>) -> Result<()> {
        let choice = self.net.squeeze;
        let reduced = match choice.of_input {
            true => inputs / 4,
            false => multiple_of_eight(self.channels as f64 / 4.0),
        };
        let (activation, gate) = (choice.activation, choice.gate);
        self.body.push(SqueezeExcite::new(self.channels, reduced, activation, gate, vb)?);
        Ok(())
    }

    /// A block, with the image itself added where its shape stays.
    fn block(&mut self, block: &Blocks, vb: ParamBuilder<'_>) -> Result<()> {
        let inputs = self.channels;
        let mut main =
            Builder { net: self.net, channels: inputs, size: self.size, body: Sequential::new() };
        let wide = multiple_of_eight(inputs as f64 * block.expansion);
        let (kernel, stride) = (block.kernel, block.stride);
        for (part, names) in block.parts() {
            let (width, act) = (main.channels, Some(block.activation));
            let (channels, shape, activation) = match part {
                Part::Squeeze => {
                    main.squeeze(inputs, vb.pp("se"))?;
                    continue;
                }
                Part::Plain => (block.channels, (kernel, stride, 1), act),
                Part::Start(start) => {
                    (width, (start, if kernel > 0 { 1 } else { stride }, width), None)
                }
                Part::Expand => (wide, (1, 1, 1), act),
                Part::Depthwise => (width, (kernel, stride, width), act),
                Part::Project => (block.channels, (1, 1, 1), None),
            };
            main.conv_norm(channels, shape, activation, names.map(|name| vb.pp(name)))?;
        }
        (self.channels, self.size) = (main.channels, main.size);
        if stride == 1 && inputs == block.channels && !matches!(block.kind, Kind::Plain) {
            self.body.push(Residual::new(main.body));
        } else {
            self.body.push(main.body);
        }
        Ok(())
    }
}
