//! Batch normalization from candle's own operations.

use super::statistics::{BatchNormConfig, BatchNormTrain};
use candle_core::{Result, Tensor};

/// (c) as a shape that broadcasts against (n, c, ...).
fn per_channel(vector: &Tensor, rank: usize) -> Result<Tensor> {
    let mut dims = vec![1; rank];
    dims[1] = vector.elem_count();
    vector.reshape(dims)
}

fn normalize(centered: &Tensor, variance: &Tensor, eps: f64) -> Result<Tensor> {
    centered.broadcast_div(&(variance + eps)?.sqrt()?)
}

fn activate(y: Tensor, config: &BatchNormConfig) -> Result<Tensor> {
    config.activation.map_or(Ok(y.clone()), |function| function.apply(&y))
}

pub(super) fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    config: &BatchNormConfig,
) -> Result<BatchNormTrain> {
    let dims: Vec<usize> = (0..x.rank()).filter(|&d| d != 1).collect();
    let mean = x.mean_keepdim(dims.as_slice())?;
    let centered = x.broadcast_sub(&mean)?;
    let variance = centered.sqr()?.mean_keepdim(dims.as_slice())?;
    let output = normalize(&centered, &variance, config.eps)?
        .broadcast_mul(&per_channel(gamma, x.rank())?)?
        .broadcast_add(&per_channel(beta, x.rank())?)?;
    let output = activate(output, config)?;
    let mean = mean.flatten_all()?.detach();
    let variance = variance.flatten_all()?.detach();
    Ok(BatchNormTrain { output, mean, variance })
}

pub(super) fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    config: &BatchNormConfig,
) -> Result<Tensor> {
    let rank = x.rank();
    let centered = x.broadcast_sub(&per_channel(&mean.detach(), rank)?)?;
    let output = normalize(&centered, &per_channel(&variance.detach(), rank)?, config.eps)?
        .broadcast_mul(&per_channel(gamma, rank)?)?
        .broadcast_add(&per_channel(beta, rank)?)?;
    activate(output, config)
}
