//! Parameters on another device than the CPU, updated together (multi-tensor, "foreach"): one
//! formula over all of them, laid end to end.
//!
//! A device takes as long to launch an operation as to do a small one, and a net has many small
//! parameters.

use candle_core::{Result, Tensor};

use crate::entry::{Buffers, Entry};
use crate::formula;
use crate::rule::{AnyRule, StepContext};
use crate::values::{concatenated, working_dtype};

/// The updates of one step that wait to be done together.
#[derive(Default)]
pub(crate) struct MultiTensorStep(Vec<Batch>);

/// What parameters need to have in common to be updated together.
struct Batch {
    context: StepContext,
    /// The parameters' places among all.
    members: Vec<usize>,
    gradients: Vec<Tensor>,
}

/// The state of parameters that were updated together, laid end to end.
#[derive(Clone, Debug)]
pub(crate) struct BatchState {
    members: Vec<usize>,
    state: Vec<Tensor>,
}

impl MultiTensorStep {
    /// Adds the update of the parameter at `place`.
    pub fn add(
        &mut self,
        entries: &[Entry],
        place: usize,
        context: StepContext,
        gradient: &Tensor,
    ) {
        let var = &entries[place].var;
        let like = |batch: &&mut Batch| {
            let other = &entries[batch.members[0]].var;
            batch.context == context
                && other.device().same_device(var.device())
                && working_dtype(other.dtype()) == working_dtype(var.dtype())
        };
        match self.0.iter_mut().find(like) {
            Some(batch) => {
                batch.members.push(place);
                batch.gradients.push(gradient.detach());
            }
            None => {
                let (members, gradients) = (vec![place], vec![gradient.detach()]);
                self.0.push(Batch { context, members, gradients });
            }
        }
    }

    /// Does the updates. `before` is the state as the last step gave it, which saves laying it end
    /// to end again.
    pub fn run(
        self,
        rule: &dyn AnyRule,
        entries: &mut [Entry],
        before: &[BatchState],
    ) -> Result<Vec<BatchState>> {
        self.0.into_iter().map(|batch| batch.run(rule, entries, before)).collect()
    }
}

impl Batch {
    fn run(
        self,
        rule: &dyn AnyRule,
        entries: &mut [Entry],
        before: &[BatchState],
    ) -> Result<BatchState> {
        let Self { context, members, gradients } = self;
        let dtype = working_dtype(entries[members[0]].var.dtype());
        let vars: Vec<_> = members.iter().map(|&at| entries[at].var.as_detached_tensor()).collect();
        let state = match before.iter().find(|batch| batch.members == members) {
            Some(batch) => batch.state.clone(),
            None => (0..rule.slots().len())
                .map(|slot| {
                    let state = members.iter().map(|&at| entries[at].tensors()[slot].clone());
                    concatenated(&state.collect::<Vec<_>>(), dtype)
                })
                .collect::<Result<_>>()?,
        };
        let (parameter, gradient) = (concatenated(&vars, dtype)?, concatenated(&gradients, dtype)?);
        let results = formula::evaluate(rule, &context, parameter, gradient, state)?;
        let [parameter, state @ ..] = &results[..] else {
            candle_core::bail!("a formula without result")
        };
        let mut first = 0;
        for &at in &members {
            let entry = &mut entries[at];
            let (var, count) = (&entry.var, entry.var.elem_count());
            let values = parameter.narrow(0, first, count)?.reshape(var.shape())?;
            var.set(&values.to_dtype(var.dtype())?)?;
            let state = state.iter().map(|tensor| tensor.narrow(0, first, count));
            entry.buffers = Buffers::Device(state.collect::<Result<_>>()?);
            first += count;
        }
        Ok(BatchState { members, state: state.to_vec() })
    }
}
