//! Differentiable operations for [candle](candle_core) tensors, right and quick on a CPU.
//!
//! Every function here takes and gives tensors, and its gradient goes through candle's tape
//! like that of candle's own operations. Where candle's gradient is missing or wrong
//! (max-pooling, layer-norm, softmax), these are right: they follow PyTorch's rules.
//!
//! On a CPU, `f32` and `f64` tensors take kernels written in Rust, parallel by [rayon]. On other
//! devices, and for other element types, the same operation is composed of candle's own. Which
//! one runs can be forced with [`with_implementation`] or the environment variable `TAPER_KERNELS`;
//! see [`Implementation`].
//!
//! A result never depends on the number of threads: work is cut into pieces by its size, and
//! partial sums are added in the order of the pieces.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use taper_kernels::{Conv2dConfig, Pool2dConfig, conv2d, linear, max_pool2d, relu};
//! use taper_kernels::softmax_cross_entropy;
//!
//! # fn main() -> candle_core::Result<()> {
//! let device = Device::Cpu;
//! // Two images of 8x8, one channel; four filters; three classes.
//! let images = Tensor::rand(0f32, 1., (2, 1, 8, 8), &device)?;
//! let filters = Var::randn(0f32, 0.1, (4, 1, 3, 3), &device)?;
//! let head = Var::randn(0f32, 0.1, (3, 4 * 3 * 3), &device)?;
//! let targets = Tensor::new(&[[1f32, 0., 0.], [0., 0., 1.]], &device)?;
//!
//! let x = relu(&conv2d(&images, &filters, None, &Conv2dConfig::default())?)?;
//! let x = max_pool2d(&x, &Pool2dConfig::square(2))?;
//! let logits = linear(&x.flatten_from(1)?, &head, None)?;
//! let loss = softmax_cross_entropy(&logits, &targets)?.mean_all()?;
//!
//! let gradients = loss.backward()?;
//! assert_eq!(gradients.get(&filters).unwrap().dims(), &[4, 1, 3, 3]);
//! assert_eq!(gradients.get(&head).unwrap().dims(), &[3, 36]);
//! # Ok(())
//! # }
//! ```

pub mod counter;
mod element;
mod gemm;
mod implementation;
mod microkernel;
mod nchwc;
mod operation;
mod phases;
pub mod relay;
mod runtime;
mod scratch;
mod simd;
mod window;

mod activation;
mod add;
mod attention;
mod batch_norm;
mod conv2d;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod pool;
mod scale_planes;
mod softmax;

#[cfg(test)]
mod check;

/// candle, in the version that this crate is built with: its tensors are those that this crate takes.
pub use candle_core as candle;

pub use activation::{
    Activation, gelu, gelu_tanh, hard_sigmoid, hard_swish, relu, relu6, sigmoid, silu,
};
pub use add::add;
pub use attention::{attention, attention_packed};
pub use batch_norm::{
    BatchNormConfig, BatchNormTrain, batch_norm_eval, batch_norm_train, fold_batch_norm,
};
pub use conv2d::{Conv2dBlock, Conv2dConfig, conv2d, conv2d_block};
pub use dropout::dropout;
pub use flatten::flatten;
pub use implementation::{Implementation, with_implementation};
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_relu};
pub use pool::{Pool2dConfig, avg_pool2d, global_avg_pool2d, max_pool2d};
pub use runtime::{PoolingAllocator, keep_gpu_memory, kept_memory, let_candle_threads_sleep};
pub use scale_planes::scale_planes;
pub use softmax::{log_softmax, softmax, softmax_cross_entropy};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
