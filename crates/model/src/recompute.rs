//! Activation checkpointing: less memory for more time.
//!
//! Layers run in segments, about the square root of their number. Of each segment only the input is
//! kept; backward computes the rest again when it reaches the segment. T. Chen, B. Xu, C. Zhang and
//! C. Guestrin, "Training Deep Nets with Sublinear Memory Cost" (2016).

use std::sync::Arc;

use candle_core::{ModuleT, Result, Tensor, TensorId, Var, bail};
use taper_kernels::relay;

use crate::rng;

/// A layer that a segment can keep.
pub(crate) type Layer = Arc<dyn ModuleT + Send + Sync>;

/// Runs layers in training mode, in segments that backward computes again.
pub(crate) fn forward(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    if layers.len() < 3 {
        return run(layers, x);
    }
    let length = (layers.len() as f64).sqrt().ceil() as usize;
    layers.chunks(length).try_fold(x.clone(), |x, layers| segment(layers, &x))
}

fn run(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    layers.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, true))
}

fn segment(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    let needs_input = x.track_op();
    let (output, draws) = rng::recorded(|| run(layers, &x.detach()));
    // The parameters' gradients are found on the way to that of the input: there has to be one.
    let input = if needs_input { x.clone() } else { Var::from_tensor(x)?.as_tensor().clone() };
    let layers = layers.to_vec();
    relay::with_gradient([&input], output?.detach(), move |[x], gradient| {
        let x = Var::from_tensor(x)?;
        let again = if needs_input { x.as_tensor().clone() } else { x.as_detached_tensor() };
        let output = rng::replayed(draws.clone(), || run(&layers, &again))?;
        let mut found = relay::backward(&(output * gradient)?.sum_all()?)?;
        let of_input = match found.remove(&x) {
            // Detached: a gradient as candle gives it holds the forward pass that it came from.
            Some(of_input) => of_input.detach(),
            None => x.zeros_like()?,
        };
        let ids: Vec<TensorId> = found.get_ids().copied().collect();
        for id in ids {
            let Some(gradient) = found.get_id(id) else { continue };
            if !relay::collect_gradient(id, gradient.detach())? {
                bail!(
                    "what is computed again finds gradients of parameters, which \
                     `taper_model::backward` collects: call it in place of the loss's own `backward`"
                )
            }
        }
        Ok([Some(of_input)])
    })
}

#[cfg(test)]
mod tests;
