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

/// Layers below which nothing is computed again.
pub(crate) const FEWEST: usize = 3;

/// Runs layers in training mode, in segments that backward computes again.
pub(crate) fn forward(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    // Within a segment everything is as usual: its draws are one sequence.
    if layers.len() < FEWEST || rng::on_tape() {
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
    // Tracked where it will be then: what is not may be computed in another way, with other roundings.
    let start = if needs_input { Var::from_tensor(x)?.as_tensor().clone() } else { x.detach() };
    let (output, draws) = rng::recorded(|| run(layers, &start));
    let output = output?;
    if !needs_input && !output.track_op() {
        // Nothing in it is trained: backward does not come here.
        return Ok(output);
    }
    // The parameters' gradients are found on the way to that of the input: there has to be one.
    let input = if needs_input { x.clone() } else { Var::from_tensor(x)?.as_tensor().clone() };
    let layers = layers.to_vec();
    relay::with_gradient([&input], output.detach(), move |[x], gradient| {
        let variable = if needs_input { Some(Var::from_tensor(x)?) } else { None };
        let again = variable.as_ref().map_or_else(|| x.clone(), |var| var.as_tensor().clone());
        let output = rng::replayed(draws.clone(), || run(&layers, &again))?;
        let mut found = relay::backward(&seeded(&output, gradient)?)?;
        let of_input = match &variable {
            // Detached: a gradient as candle gives it holds the forward pass that it came from.
            Some(var) => {
                Some(found.remove(var).map_or_else(|| x.zeros_like(), |g| Ok(g.detach()))?)
            }
            None => None,
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
        Ok([of_input])
    })
}

/// A loss that gives `output` the gradient `gradient`.
fn seeded(output: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let gradient = gradient.detach();
    let loss = Tensor::zeros((), output.dtype(), output.device())?;
    relay::with_gradient([output], loss, move |_, _| Ok([Some(gradient.clone())]))
}

#[cfg(test)]
mod tests;
