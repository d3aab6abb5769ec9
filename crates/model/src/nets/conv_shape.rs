//! A convolution and the batch-norm behind it, as `conv` and `bn`.

use candle_core::Result;

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvNorm};

/// The sizes of a convolution without bias, and what stands behind its batch-norm.
#[derive(Clone, Copy)]
pub(super) struct ConvShape {
    pub inputs: usize,
    pub outputs: usize,
    /// The filter's side, in pixels.
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
    pub activation: Option<Activation>,
}

impl ConvShape {
    /// One of stride 1 in one group, with ReLU.
    pub fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        let activation = Some(Activation::Relu);
        Self { inputs, outputs, kernel, stride: 1, groups: 1, activation }
    }

    /// The same without ReLU.
    pub fn linear(self) -> Self {
        Self { activation: None, ..self }
    }

    /// Builds it, padded by half a filter; a filter of even side has its odd zeros below and to the right.
    pub fn build(self, vb: &ParamBuilder<'_>) -> Result<ConvNorm> {
        let Self { inputs, outputs, kernel, stride, groups, activation } = self;
        let side = (kernel - 1) / 2;
        let end = kernel - 1 - side;
        let config = Conv2dConfig {
            stride: (stride, stride),
            groups,
            bias: false,
            padding: (side, side),
            padding_end: (end != side).then_some((end, end)),
            weight_init: Initializer::KAIMING_NORMAL_FAN_OUT,
            ..Conv2dConfig::default()
        };
        let conv = Conv2d::new(inputs, outputs, (kernel, kernel), config, vb.pp("conv"))?;
        let config = BatchNormConfig { activation, ..BatchNormConfig::default() };
        Ok(ConvNorm { conv, norm: BatchNorm::new(outputs, config, vb.pp("bn"))? })
    }
}
