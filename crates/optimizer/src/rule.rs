//! What a rule is: hyperparameters, the state it keeps, and one formula.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Result, Tensor};

use crate::error::OptimizerError;
use crate::real::Real;
use crate::symbol::Symbol;

/// An update rule: (parameter, gradient, state, rates, step) to new values of parameter and state,
/// element by element, in place.
///
/// The formula is written once, over any [`Real`]. On a CPU it is a loop over numbers, which the
/// optimizer cuts into chunks and hands over in any order and on several threads: the result
/// depends on neither. On every other device it runs once over symbols, and what it did to them is
/// done to whole tensors. So a formula computes with what [`Real`] has (sums, products, quotients,
/// roots, signs, absolute values, minima and maxima) and takes no decision by a value.
///
/// # Example
///
/// A rule of one's own: signSGD with momentum (Bernstein et al. 2018,
/// <https://arxiv.org/abs/1802.04434>).
///
/// ```
/// use candle_core::{Device, Var};
/// use taper_optimizer::{Chunk, Optimizer, Real, Rule, Slot, StepContext};
///
/// #[derive(Debug)]
/// struct Signum {
///     momentum: f64,
/// }
///
/// impl Rule for Signum {
///     fn name(&self) -> &'static str { "signum" }
///     fn learning_rate(&self) -> f64 { 1e-3 }
///     fn slots(&self) -> Vec<Slot> { vec![Slot::zero("momentum_buffer")] }
///     fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>) {
///         let rate = T::of(step.learning_rate);
///         let (old, new) = (T::of(self.momentum), T::of(1.0 - self.momentum));
///         chunk.each(|p, g, [m]| {
///             *m = old * *m + new * g;
///             *p = *p - rate * m.sign();
///         });
///     }
/// }
///
/// let weight = Var::new(&[1f32, 2.0, 3.0], &Device::Cpu)?;
/// let params = vec![("weight".to_string(), weight.clone())];
/// let mut optimizer = Optimizer::new(params, Signum { momentum: 0.9 }, &[])?;
/// optimizer.step(&weight.sum_all()?.backward()?, 0.5)?;
/// assert_eq!(weight.to_vec1::<f32>()?, [0.5, 1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Rule: Debug + Send + Sync {
    /// The rule's name, lower case, as in a recipe.
    fn name(&self) -> &'static str;

    /// Checks the hyperparameters.
    ///
    /// # Errors
    ///
    /// The first hyperparameter outside its range. By default none.
    fn validate(&self) -> std::result::Result<(), OptimizerError> {
        Ok(())
    }

    /// The learning rate that a schedule starts from.
    fn learning_rate(&self) -> f64;

    /// The weight decay of a parameter whose group has none of its own. By default 0.
    fn weight_decay(&self) -> f64 {
        0.0
    }

    /// Whether [`StepContext::momentum`] means anything to this rule. By default false.
    fn has_momentum(&self) -> bool {
        false
    }

    /// The state kept for each element, in the order in which [`Chunk::each`] gives it. By default
    /// none.
    fn slots(&self) -> Vec<Slot> {
        vec![]
    }

    /// The formula: new values of the parameter and the state. Each element's may depend on that
    /// element alone.
    fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>)
    where
        Self: Sized;

    /// How a parameter of these dimensions is updated as a whole, where an element's new value depends on others'.
    /// By default `None`: by the formula, element by element.
    fn as_whole(&self, dims: &[usize]) -> Option<&dyn WholeUpdate> {
        let _ = dims;
        None
    }

    /// The rule behind a pointer, its formula compiled in the crate whose function this is: a rule in a crate of
    /// its own that is compiled with more optimization than who uses it writes this one line itself.
    fn boxed(self) -> BoxedRule
    where
        Self: Sized + 'static,
    {
        BoxedRule::new(self)
    }
}

/// The update of a parameter as a whole, as of a matrix that is made orthogonal; see [`Rule::as_whole`].
pub trait WholeUpdate {
    /// The new parameter, and the new state in the order of the rule's [slots](Rule::slots).
    ///
    /// # Shapes
    ///
    /// Gradient and state, old and new, are of the parameter's shape.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn update(
        &self,
        step: &StepContext,
        parameter: &Tensor,
        gradient: &Tensor,
        state: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)>;
}

/// One kind of state that a rule keeps, a value for each element of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its name, as in PyTorch's `state_dict`: `square_avg`.
    pub name: &'static str,
    /// The value before the first update.
    pub initial: f64,
}

impl Slot {
    /// A slot that starts from zero.
    pub const fn zero(name: &'static str) -> Self {
        Slot { name, initial: 0.0 }
    }
}

/// What is the same for all elements of a parameter in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepContext {
    /// The rate of this step, the group's scale included.
    pub learning_rate: f64,
    /// The decay of this parameter.
    pub weight_decay: f64,
    /// Takes the place of the rule's momentum (of `beta1` in Adam), for schedules that cycle it.
    pub momentum: Option<f64>,
    /// How many updates this parameter has had, this one included: 1 at the first.
    pub step: u64,
}

/// Consecutive elements of one parameter, with the gradient and state of the same elements.
#[derive(Debug)]
pub struct Chunk<'a, T> {
    pub(crate) parameter: &'a mut [T],
    pub(crate) gradient: &'a [T],
    /// One slice for each of the rule's slots.
    pub(crate) state: Vec<&'a mut [T]>,
    /// Where the formula, run over symbols, leaves how many slots it takes.
    pub(crate) taken: Option<&'a AtomicUsize>,
}

impl<T: Copy> Chunk<'_, T> {
    /// Calls `update` with each element's parameter, gradient and state.
    ///
    /// # Panics
    ///
    /// Where `N` is not the number of the rule's [slots](Rule::slots). An optimizer tries it once
    /// when it is made, and refuses the rule.
    #[inline(always)]
    pub fn each<const N: usize>(self, mut update: impl FnMut(&mut T, T, [&mut T; N])) {
        let (parameter, found) = (self.parameter, self.state.len());
        let state = match (<[&mut [T]; N]>::try_from(self.state), self.taken) {
            (Ok(state), _) => state,
            (Err(_), Some(taken)) => return taken.store(N, Ordering::Relaxed),
            (Err(_), None) => panic!("the formula takes {N} slots of {found}"),
        };
        // All of one length, so that the loop has no bounds to check.
        let count = parameter.len();
        let gradient = &self.gradient[..count];
        let mut state = state.map(|slot| &mut slot[..count]);
        for i in 0..count {
            update(&mut parameter[i], gradient[i], state.each_mut().map(|slot| &mut slot[i]));
        }
    }
}

/// A rule that is chosen at run time, as by its name; any rule turns into one.
///
/// ```
/// use taper_optimizer::{Adam, BoxedRule, Sgd};
///
/// let rule: BoxedRule = match "sgd" {
///     "sgd" => Sgd::pytorch().into(),
///     _ => Adam::pytorch().into(),
/// };
/// assert_eq!((rule.name(), rule.learning_rate()), ("sgd", 1e-3));
/// ```
#[derive(Clone, Debug)]
pub struct BoxedRule(pub(crate) Arc<dyn AnyRule>);

impl BoxedRule {
    /// What [`Rule::boxed`] is by default.
    #[inline]
    pub fn new(rule: impl Rule + 'static) -> Self {
        Self(Arc::new(rule))
    }
}

impl<R: Rule + 'static> From<R> for BoxedRule {
    fn from(rule: R) -> Self {
        rule.boxed()
    }
}

impl Deref for BoxedRule {
    type Target = dyn Rule;

    fn deref(&self) -> &(dyn Rule + 'static) {
        &*self.0
    }
}

/// A rule behind a pointer, for each kind of element.
pub(crate) trait AnyRule: Rule {
    fn update_f32(&self, step: &StepContext, chunk: Chunk<'_, f32>);
    fn update_f64(&self, step: &StepContext, chunk: Chunk<'_, f64>);
    fn update_symbols(&self, step: &StepContext, chunk: Chunk<'_, Symbol<'_>>);
}

impl<R: Rule> AnyRule for R {
    fn update_f32(&self, step: &StepContext, chunk: Chunk<'_, f32>) {
        self.update(step, chunk);
    }

    fn update_f64(&self, step: &StepContext, chunk: Chunk<'_, f64>) {
        self.update(step, chunk);
    }

    fn update_symbols(&self, step: &StepContext, chunk: Chunk<'_, Symbol<'_>>) {
        self.update(step, chunk);
    }
}
