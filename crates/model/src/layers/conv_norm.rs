//! A convolution with its batch normalization.

use candle_core::{ModuleT, Result, Tensor};
use taper_kernels::relay::has_gradient;
use taper_kernels::{Conv2dBlock, conv2d_block, fold_batch_norm};

use super::activation::Activation;
use super::batch_norm::BatchNorm;
use super::conv2d::Conv2d;

/// A convolution, then a batch normalization with its activation.
///
/// What the two layers do one after the other. Where no gradient is wanted and the statistics stay as they are, as in
/// evaluation, it is one convolution: scale and shift go into its weight and bias.
///
/// # Shapes
///
/// Those of [`Conv2d`].
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Activation, BatchNorm, BatchNormConfig, Conv2d, ConvNorm};
/// use taper_model::without_gradients;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let conv = Conv2d::new(3, 8, (3, 3), Default::default(), vb.pp("conv"))?;
/// let config = BatchNormConfig { activation: Some(Activation::Relu6), ..Default::default() };
/// let block = ConvNorm { conv, norm: BatchNorm::new(8, config, vb.pp("bn"))? };
/// let images = Tensor::ones((2, 3, 5, 7), DType::F32, &Device::Cpu)?;
/// let y = block.forward_t(&images, false)?;
/// let folded = without_gradients(|| block.forward_t(&images, false))?;
/// assert!((y - folded)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-5);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub conv: Conv2d,
    /// What normalizes its output.
    pub norm: BatchNorm,
}

impl ModuleT for ConvNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let Self { conv, norm } = self;
        let (weight, bias) = (&conv.weight, conv.bias.as_ref());
        let tracked = has_gradient([x, weight, bias.unwrap_or(weight), &norm.weight, &norm.bias]);
        if tracked || train && !norm.frozen || conv.lora.is_some() {
            return norm.forward_t(&conv.forward_t(x, train)?, train);
        }
        let statistics = [&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var];
        let (weight, bias) = fold_batch_norm((weight, bias), statistics, norm.config.eps)?;
        let block = Conv2dBlock {
            conv: conv.config.geometry(),
            activation: norm.config.activation.map(Activation::kernel),
            max_pool: None,
        };
        let y = conv2d_block(x, &weight, Some(&bias), &block)?;
        conv.record(x, &y);
        norm.record(&y);
        Ok(y)
    }
}
