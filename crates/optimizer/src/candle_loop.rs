//! The rules as candle's own `Optimizer` trait, for an existing candle training loop.

use candle_core::Var;
use candle_core::backprop::GradStore;

use crate::error::OptimizerError;
use crate::optimizer::Optimizer;
use crate::rule::BoxedRule;

/// Any rule as a [`candle_nn::Optimizer`].
///
/// Variables have no names there, so that state is named by their index among those given
/// (`0/exp_avg`), and only the rank tells biases from weights: those below 2 are not decayed. For
/// groups, schedules that cycle the momentum and saved state use [`inner`](Self::inner), or
/// [`Optimizer`] itself.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// use taper_optimizer::{Adadelta, CandleOptimizer};
///
/// let weight = Var::new(&[[3f32, 4.0]], &Device::Cpu)?;
/// let rule = Adadelta::keras_reference();
/// let mut optimizer = CandleOptimizer::new(vec![weight.clone()], rule.into())?;
/// optimizer.backward_step(&weight.sqr()?.sum_all()?)?;
/// assert!(weight.to_vec2::<f32>()?[0][0] < 3.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug)]
pub struct CandleOptimizer {
    /// The optimizer behind it.
    pub inner: Optimizer,
    learning_rate: f64,
}

impl CandleOptimizer {
    /// An optimizer by a rule of the caller's. Variables that are not floating-point are left out,
    /// as candle's optimizers do; those that stay keep their index as their name.
    ///
    /// # Errors
    ///
    /// As [`Optimizer::new`].
    pub fn with_rule(vars: Vec<Var>, rule: impl Into<BoxedRule>) -> Result<Self, OptimizerError> {
        let params = vars
            .into_iter()
            .enumerate()
            .filter(|(_, var)| var.dtype().is_float())
            .map(|(index, var)| (index.to_string(), var))
            .collect();
        let rule = rule.into();
        let learning_rate = rule.learning_rate();
        Ok(CandleOptimizer { inner: Optimizer::new(params, rule, &[])?, learning_rate })
    }
}

impl candle_nn::Optimizer for CandleOptimizer {
    type Config = BoxedRule;

    fn new(vars: Vec<Var>, config: BoxedRule) -> candle_core::Result<Self> {
        Ok(Self::with_rule(vars, config)?)
    }

    fn step(&mut self, grads: &GradStore) -> candle_core::Result<()> {
        Ok(self.inner.step(grads, self.learning_rate)?)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
}
