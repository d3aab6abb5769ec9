//! Batch normalization.

use candle_core::{ModuleT, Result, Tensor, Var, bail};

use super::activation::Activation;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::rng;
use crate::summary;

/// Constants of a [`BatchNorm`]; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance; default 1e-5 (Keras: 1e-3).
    pub eps: f64,
    /// The share of the new batch in the running statistics; default 0.1 (Keras counts the other
    /// way: its 0.99 is 0.01).
    pub momentum: f64,
    /// What is applied to the result, in the same passes over the memory; default none.
    pub activation: Option<Activation>,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, activation: None }
    }
}

/// Batch normalization over every dimension but the channels': PyTorch's `nn.BatchNorm1d` and
/// `nn.BatchNorm2d`.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, channel by channel, then the activation of the config.
///
/// - In training, mean and (biased) variance are the batch's, and the running statistics move
///   towards them: `running = (1 - momentum) * running + momentum * batch`, with the batch's
///   *unbiased* variance, as in PyTorch.
/// - In evaluation they are the running statistics.
/// - Frozen, they are the running statistics also in training, and those stay as they are.
///
/// A layer is frozen if neither `weight` nor `bias` is a variable, or if `running_mean` is none:
/// that is how [`Weights`](crate::weights::Weights) hands out frozen parameters and, with
/// `freeze_statistics`, running statistics, and what a plain safetensors `VarBuilder` gives.
///
/// Parameters: `weight` (c), from 1, and `bias` (c), from 0. Buffers: `running_mean` (c), from 0,
/// and `running_var` (c), from 1. They are shared with the backend behind the `VarBuilder`, so
/// saving it saves them. PyTorch's `num_batches_tracked`, which counts for nothing unless
/// `momentum` is `None`, is not kept.
///
/// # Shapes
///
/// (n, c), (n, c, l) or (n, c, h, w), to the same.
///
/// # Errors
///
/// In training, a batch that has one value a channel: its unbiased variance does not exist.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{BatchNorm, BatchNormConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let norm = BatchNorm::new(1, BatchNormConfig::default(), vb.pp("bn1"))?;
/// let x = Tensor::new(&[[1f32], [3.0]], &Device::Cpu)?;
/// let y = norm.forward_t(&x, true)?.flatten_all()?.to_vec1::<f32>()?;
/// assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
/// assert_eq!(norm.running_mean.to_vec1::<f32>()?, [0.2]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Ioffe and Szegedy, "Batch Normalization", 2015.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// The scale, (c).
    pub weight: Tensor,
    /// The shift, (c).
    pub bias: Tensor,
    /// The running mean, (c); a variable, unless it stays as it is.
    pub running_mean: Tensor,
    /// The running variance, (c), unbiased; a variable, unless it stays as it is.
    pub running_var: Tensor,
    /// Its constants.
    pub config: BatchNormConfig,
    /// Whether training, too, uses the running statistics and leaves them alone.
    pub frozen: bool,
    name: String,
}

impl BatchNorm {
    /// A batch-norm over `channels`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        channels: usize,
        config: BatchNormConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let weight = vb.get(channels, "weight", Initializer::Ones)?;
        let bias = vb.get(channels, "bias", Initializer::Zeros)?;
        let running_mean = vb.get(channels, "running_mean", Initializer::Zeros)?;
        let running_var = vb.get(channels, "running_var", Initializer::Ones)?;
        let trained = weight.is_variable() || bias.is_variable();
        let frozen = !trained || !running_mean.is_variable();
        Ok(Self { weight, bias, running_mean, running_var, config, frozen, name: vb.prefix() })
    }

    fn train(&self, x: &Tensor) -> Result<Tensor> {
        let values = x.elem_count() / self.weight.elem_count();
        if values < 2 {
            bail!(
                "batch-norm `{}`: training needs more than one value a channel, found an input of shape {:?}; use a \
                 larger batch or freeze the layer",
                self.name,
                x.dims()
            );
        }
        let norm = taper_kernels::batch_norm_train(x, &self.weight, &self.bias, &self.kernel())?;
        if rng::replaying() {
            return Ok(norm.output);
        }
        let unbiased = norm.variance.affine(values as f64 / (values - 1) as f64, 0.0)?;
        self.update(&self.running_mean, &norm.mean)?;
        self.update(&self.running_var, &unbiased)?;
        Ok(norm.output)
    }

    fn kernel(&self) -> taper_kernels::BatchNormConfig {
        let activation = self.config.activation.map(Activation::kernel);
        taper_kernels::BatchNormConfig { eps: self.config.eps, activation }
    }

    pub(super) fn record(&self, y: &Tensor) {
        // One multiply-add for each element: scale and shift, with the statistics folded in.
        summary::record("BatchNorm", &self.name, y, Tensor::elem_count);
        if let Some(activation) = self.config.activation {
            activation.record(y);
        }
    }

    fn update(&self, running: &Tensor, batch: &Tensor) -> Result<()> {
        let momentum = self.config.momentum;
        // `from_tensor` shares a tensor that is a variable: the backend sees the update.
        let running = Var::from_tensor(running)?;
        let kept = running.as_detached_tensor().affine(1.0 - momentum, 0.0)?;
        running.set(&(kept + batch.affine(momentum, 0.0)?)?)
    }

    fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        // Detached: the running statistics are variables, but nothing trains them.
        let (mean, variance) = (self.running_mean.detach(), self.running_var.detach());
        taper_kernels::batch_norm_eval(
            x,
            &self.weight,
            &self.bias,
            &mean,
            &variance,
            &self.kernel(),
        )
    }
}

impl ModuleT for BatchNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = if train && !self.frozen { self.train(x) } else { self.evaluate(x) }?;
        self.record(&y);
        Ok(y)
    }
}
