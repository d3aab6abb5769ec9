//! An optimizer that looks at matrices as a whole: Muon.

use serde::{Deserialize, Serialize};
use taper_cli::taper_runner::candle::{Result, Tensor};
use taper_cli::taper_runner::taper_optimizer::{Chunk, Real, Rule, Slot, StepContext, WholeUpdate};

/// Muon (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon/>): the momentum of a matrix,
/// made orthogonal; SGD with momentum for all else. Rate 0.02, momentum 0.95.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Muon {
    learning_rate: f64,
    momentum: f64,
}
impl Default for Muon {
    fn default() -> Self {
        Self { learning_rate: 0.02, momentum: 0.95 }
    }
}
impl Rule for Muon {
    fn name(&self) -> &'static str {
        "muon"
    }
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zero("momentum_buffer")]
    }
    fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>) {
        let (rate, keep) = (T::of(step.learning_rate), T::of(self.momentum));
        chunk.each(|p, g, [mean]| {
            *mean = keep * *mean + g;
            *p = *p - rate * *mean;
        });
    }
    fn as_whole(&self, dims: &[usize]) -> Option<&dyn WholeUpdate> {
        (dims.len() >= 2).then_some(self)
    }
}
type Updated = Result<(Tensor, Vec<Tensor>)>;
impl WholeUpdate for Muon {
    fn update(&self, step: &StepContext, p: &Tensor, g: &Tensor, state: &[Tensor]) -> Updated {
        let mean = ((&state[0] * self.momentum)? + g)?;
        let ahead = ((&mean * self.momentum)? + g)?.flatten_from(1)?; // Nesterov's
        let (rows, columns) = ahead.dims2()?;
        let flat = rows <= columns;
        let x = if flat { ahead } else { ahead.t()?.contiguous()? };
        let mut x = x.broadcast_div(&(x.sqr()?.sum_all()?.sqrt()? + 1e-7)?)?;
        for _ in 0..5 {
            let a = x.matmul(&x.t()?)?;
            let b = ((&a * -4.7750)? + (a.matmul(&a)? * 2.0315)?)?;
            x = ((&x * 3.4445)? + b.matmul(&x)?)?;
        }
        let x = if flat { x } else { x.t()? }.reshape(p.shape())?;
        let rate = step.learning_rate * (rows as f64 / columns as f64).max(1.0).sqrt();
        Ok(((p - (x * rate)?)?, vec![mean]))
    }
}
