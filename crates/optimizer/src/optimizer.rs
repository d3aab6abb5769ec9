//! The optimizer: a rule, the parameters that it updates, and their state.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Var};

use crate::check::Check;
use crate::entry::{Buffers, Entry};
use crate::error::OptimizerError;
use crate::formula;
use crate::group::{self, Assignment, ParamGroup};
use crate::in_place;
use crate::multi_tensor::{BatchState, MultiTensorStep};
use crate::rule::{AnyRule, BoxedRule, StepContext};
use crate::schedule::StepRates;

/// Updates named parameters by a rule.
///
/// On a CPU a step is one pass in place over each parameter of dtype `f32` or `f64`, on several
/// threads where it is large; the result has the same bits for any number of threads. Parameters
/// in half precision are copied, updated in `f32` and set back. On a GPU all parameters of one rate and decay are
/// updated together by tensor operations; the rule's formula is the same, its rounding is not. State is kept beside
/// the parameters, in `f64` for `f64` and else in `f32`.
///
/// A parameter's step count is its own, as in PyTorch: where it has no gradient in some step, it
/// and its state stay as they are.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Var};
/// use taper_optimizer::{Optimizer, Sgd};
///
/// let weight = Var::new(&[[3f32, 4.0]], &Device::Cpu)?;
/// let params = vec![("weight".to_string(), weight.clone())];
/// let mut optimizer = Optimizer::new(params, Sgd::pytorch(), &[])?;
/// let loss = weight.sqr()?.sum_all()?; // its gradient is 2 * weight
/// optimizer.step(&loss.backward()?, 0.25)?;
/// assert_eq!(weight.to_vec2::<f32>()?, [[1.5, 2.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Optimizer {
    pub(crate) rule: Arc<dyn AnyRule>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) steps: u64,
    /// The state on devices as the last step left it.
    pub(crate) batches: Vec<BatchState>,
}

impl Optimizer {
    /// An optimizer of the parameters, with fresh state.
    ///
    /// # Errors
    ///
    /// A hyperparameter out of its range; a name or a variable given twice; a parameter that is not
    /// floating-point; a group given twice, or with a name that no parameter has; a formula that takes another number
    /// of slots than its rule names.
    pub fn new(
        params: Vec<(String, Var)>,
        rule: impl Into<BoxedRule>,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimizerError> {
        let rule = rule.into();
        rule.validate()?;
        formula::check(&*rule.0)?;
        let mut names = HashSet::new();
        let mut variables = HashMap::new();
        for (name, var) in &params {
            if !names.insert(name) {
                return Err(OptimizerError::DuplicateParameter { name: name.clone() });
            }
            if let Some(first) = variables.insert(var.id(), name) {
                let (first, second) = (first.clone(), name.clone());
                return Err(OptimizerError::SharedVariable { first, second });
            }
            if !matches!(var.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
                let (name, dtype) = (name.clone(), var.dtype());
                return Err(OptimizerError::NotFloat { name, dtype });
            }
        }
        let assignments = group::assign(&params, groups, rule.weight_decay())?;
        let slots = rule.slots();
        let entries = params
            .into_iter()
            .zip(assignments)
            .map(|((_, var), assignment)| {
                let buffers = Buffers::new(&slots, &var)?;
                Ok(Entry { var, assignment, steps: 0, buffers })
            })
            .collect::<Result<_, OptimizerError>>()?;
        Ok(Optimizer { rule: rule.0, entries, steps: 0, batches: Vec::new() })
    }

    /// Updates every parameter that has a gradient, at the learning rate.
    ///
    /// # Errors
    ///
    /// As [`step_at`](Self::step_at).
    pub fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<(), OptimizerError> {
        self.step_at(grads, StepRates { learning_rate, momentum: None })
    }

    /// Updates every parameter that has a gradient, at the rates, which may hold a momentum.
    ///
    /// Gradients are taken as they are: look at the norm that
    /// [`clip_by_norm`](crate::clip::clip_by_norm) returns to keep a non-finite one out.
    ///
    /// # Errors
    ///
    /// Rates out of their range, a momentum for a rule that keeps none, no gradient at all, or a
    /// gradient of another shape than its parameter: then nothing was changed. A failure of the
    /// device may leave some of the parameters updated.
    pub fn step_at(&mut self, grads: &GradStore, rates: StepRates) -> Result<(), OptimizerError> {
        self.check(grads, &rates)?;
        let mut device_step = MultiTensorStep::default();
        for place in 0..self.entries.len() {
            let entry = &mut self.entries[place];
            let Some(gradient) = grads.get(&entry.var) else { continue };
            let context = StepContext {
                learning_rate: rates.learning_rate * entry.assignment.learning_rate_scale,
                weight_decay: entry.assignment.weight_decay,
                momentum: rates.momentum,
                step: entry.steps + 1,
            };
            entry.steps += 1;
            if let Some(whole) = self.rule.as_whole(entry.var.dims()) {
                entry.update_whole(whole, &context, gradient)?;
                continue;
            }
            match &mut entry.buffers {
                Buffers::Device(_) => device_step.add(&self.entries, place, context, gradient),
                buffers => in_place::update(&*self.rule, &context, &entry.var, gradient, buffers)?,
            }
        }
        self.batches = device_step.run(&*self.rule, &mut self.entries, &self.batches)?;
        self.steps += 1;
        Ok(())
    }

    fn check(&self, grads: &GradStore, rates: &StepRates) -> Result<(), OptimizerError> {
        let check = Check(self.rule.name());
        check.non_negative("learning_rate", rates.learning_rate)?;
        if let Some(momentum) = rates.momentum {
            if !self.rule.has_momentum() {
                return Err(OptimizerError::NoMomentum { rule: self.rule.name(), momentum });
            }
            check.fraction("momentum", momentum)?;
        }
        let mut any = self.entries.is_empty();
        for entry in &self.entries {
            let Some(gradient) = grads.get(&entry.var) else { continue };
            any = true;
            if gradient.shape() != entry.var.shape() {
                return Err(OptimizerError::GradientShape {
                    name: entry.name().to_string(),
                    expected: entry.var.shape().clone(),
                    found: gradient.shape().clone(),
                });
            }
        }
        if any {
            return Ok(());
        }
        Err(OptimizerError::NoGradients { parameters: self.entries.len() })
    }

    /// How many steps were taken, those before a restored state included.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The variables, in the order in which they were given.
    pub fn vars(&self) -> impl Iterator<Item = &Var> {
        self.entries.iter().map(|entry| &entry.var)
    }

    /// What the groups make of each parameter, in the order in which they were given.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.entries.iter().map(|entry| &entry.assignment)
    }
}

#[cfg(test)]
mod tests;
