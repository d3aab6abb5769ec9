//! RegNets.

use candle_core::Result;

use super::conv_shape::ConvShape;
use super::info::{Family, NetConfig, NetInfo, NetSize, Published, UsualImages};
use super::net::Net;
use super::resnet::check_size;
use crate::builder::ParamBuilder;
use crate::layers::{
    Activation, GlobalAvgPool2d, Linear, LinearConfig, Relu, Residual, Sequential, SqueezeExcite,
};
use crate::weights::KeyMap;

/// The sizes of a RegNet of the kind Y.
#[derive(Clone, Copy)]
struct RegNet {
    /// The blocks of each stage.
    depths: [usize; 4],
    /// The channels of each stage.
    channels: [usize; 4],
    /// The channels of a group of the 3x3 convolutions.
    group: usize,
}

/// The channels of the first convolution.
const STEM: usize = 32;

/// RegNetY-400MF, with timm's names.
///
/// Radosavovic et al., "Designing Network Design Spaces", 2020.
pub(super) fn nets() -> Vec<NetInfo> {
    let sizes = RegNet { depths: [1, 3, 6, 6], channels: [48, 104, 208, 440], group: 8 };
    vec![NetInfo {
        description: "RegNetY-400MF: bottlenecks in groups of 8 channels, squeeze-and-excitation",
        size: Some(NetSize { parameters: 4_344_144, multiply_adds: 405_729_136 }),
        images: Some(UsualImages { crop: Some(0.965), ..UsualImages::IMAGENET }),
        published: Some(Published {
            hub: "timm/regnety_004.tv2_in1k",
            license: "bsd-3-clause",
            top1: Some(75.6),
        }),
        ..regnet("regnety_004", sizes)
    }]
}

/// What all of them share.
fn regnet(name: &'static str, sizes: RegNet) -> NetInfo {
    NetInfo {
        stem: "stem.conv",
        head: "head.fc",
        key_maps: vec![
            ("torchvision", sizes.torchvision()),
            ("transformers", sizes.transformers()),
        ],
        stages: sizes.stages(),
        lora: &["*.conv1.conv", "*.conv3.conv"],
        family: Family::Convolutional,
        ..NetInfo::new(name, move |config, vb, _| sizes.build(config, vb))
    }
}

impl RegNet {
    /// Each block by its stage and its number in it, both from 0.
    fn blocks(self) -> impl Iterator<Item = (usize, usize)> {
        self.depths
            .into_iter()
            .enumerate()
            .flat_map(|(stage, depth)| (0..depth).map(move |i| (stage, i)))
    }

    /// The stages that fine-tuning counts: stem, each block, head.
    fn stages(self) -> Vec<Vec<String>> {
        let blocks = self.blocks().map(|(stage, i)| vec![format!("s{}.b{}.*", stage + 1, i + 1)]);
        let ends = |pattern: &str| std::iter::once(vec![pattern.to_string()]);
        ends("stem.*").chain(blocks).chain(ends("head.*")).collect()
    }

    /// A key map: of each block the name that `theirs` gives it, then layers, the last with `*` for the
    /// block.
    fn key_map(
        self,
        first: &[(&str, &str)],
        theirs: impl Fn(usize, usize) -> String,
        layers: &[(&str, &str)],
    ) -> KeyMap {
        let owned = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(theirs, ours)| (theirs.to_string(), ours.to_string()));
            owned.collect::<Vec<_>>()
        };
        let blocks = self.blocks().map(|(stage, i)| {
            (format!("{}.*", theirs(stage, i)), format!("s{}.b{}.*", stage + 1, i + 1))
        });
        KeyMap::new(owned(first).into_iter().chain(blocks).chain(owned(layers)))
    }

    fn torchvision(self) -> KeyMap {
        let block = |stage, i| format!("trunk_output.block{0}.block{0}-{i}", stage + 1);
        self.key_map(
            &[("stem.0.*", "stem.conv.*"), ("stem.1.*", "stem.bn.*"), ("fc.*", "head.fc.*")],
            block,
            &[
                ("s*.proj.0.*", "s*.downsample.conv.*"),
                ("s*.proj.1.*", "s*.downsample.bn.*"),
                ("s*.f.se.*", "s*.se.*"),
                ("s*.f.a.0.*", "s*.conv1.conv.*"),
                ("s*.f.a.1.*", "s*.conv1.bn.*"),
                ("s*.f.b.0.*", "s*.conv2.conv.*"),
                ("s*.f.b.1.*", "s*.conv2.bn.*"),
                ("s*.f.c.0.*", "s*.conv3.conv.*"),
                ("s*.f.c.1.*", "s*.conv3.bn.*"),
            ],
        )
    }

    /// Those of `RegNetForImageClassification`, and of `RegNetModel` without a head.
    fn transformers(self) -> KeyMap {
        self.key_map(
            &[
                ("regnet.*", "*"),
                ("embedder.embedder.*", "stem.*"),
                ("*.convolution.*", "*.conv.*"),
                ("*.normalization.*", "*.bn.*"),
                ("classifier.1.*", "head.fc.*"),
            ],
            |stage, i| format!("encoder.stages.{stage}.layers.{i}"),
            &[
                ("s*.shortcut.*", "s*.downsample.*"),
                ("s*.layer.0.*", "s*.conv1.*"),
                ("s*.layer.1.*", "s*.conv2.*"),
                ("s*.layer.2.attention.0.*", "s*.se.fc1.*"),
                ("s*.layer.2.attention.2.*", "s*.se.fc2.*"),
                ("s*.layer.3.*", "s*.conv3.*"),
            ],
        )
    }

    /// A RegNet.
    ///
    /// Conv 3x3 of stride 2, batch-norm, ReLU; four stages of residual blocks, each beginning with one that
    /// halves the image: 1x1, 3x3 in groups, squeeze-and-excitation of a quarter of the block's input
    /// channels, 1x1, each convolution with a batch-norm; ReLU behind the sum. Global average pool, dense.
    /// Weights start as He's normal by fan-out, norms as PyTorch's.
    ///
    /// Images have at least 1 pixel each way; the last stage's plane is 1/32 of the image each way, rounded
    /// up.
    fn build(self, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
        check_size(config)?;
        let stem = ConvShape { stride: 2, ..ConvShape::new(config.channels, STEM, 3) };
        let mut body = Sequential::new().add(stem.build(&vb.pp("stem"))?);
        let mut channels = STEM;
        for (stage, i) in self.blocks() {
            let vb = vb.pp(format!("s{}.b{}", stage + 1, i + 1));
            let width = self.channels[stage];
            body.push(self.block(channels, width, if i == 0 { 2 } else { 1 }, vb)?);
            body.push(Relu);
            channels = width;
        }
        body.push(GlobalAvgPool2d);
        let head =
            Linear::new(channels, config.num_classes, LinearConfig::default(), vb.pp("head.fc"))?;
        Ok(Net { body, head: Sequential::new().add(head) })
    }

    /// A block without the ReLU behind the sum.
    fn block(
        self,
        inputs: usize,
        width: usize,
        stride: usize,
        vb: ParamBuilder<'_>,
    ) -> Result<Residual> {
        let grouped =
            ConvShape { stride, groups: width / self.group, ..ConvShape::new(width, width, 3) };
        let (relu, gate, names) = (Activation::Relu, Activation::Sigmoid, ["fc1", "fc2"]);
        let main = Sequential::new()
            .add(ConvShape::new(inputs, width, 1).build(&vb.pp("conv1"))?)
            .add(grouped.build(&vb.pp("conv2"))?)
            .add(SqueezeExcite::named(names, width, inputs / 4, relu, gate, vb.pp("se"))?)
            .add(ConvShape::new(width, width, 1).linear().build(&vb.pp("conv3"))?);
        if stride == 1 && inputs == width {
            return Ok(Residual::new(main));
        }
        let shortcut = ConvShape { stride, ..ConvShape::new(inputs, width, 1).linear() };
        Ok(Residual::with_shortcut(main, shortcut.build(&vb.pp("downsample"))?))
    }
}
