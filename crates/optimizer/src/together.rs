//! Parameters on another device than the CPU, updated together: one formula over all of them as a single row.
//!
//! A device takes as long to be told of an operation as to do a small one, and a net has many small parameters.

use crate::formula;
use crate::optimizer::Entry;
use crate::rule::{Rule, Update};
use crate::values::working_dtype;
use candle_core::{DType, Result, Tensor};

/// The state of one parameter: a row for each slot of the rule, on the parameter's device.
pub(crate) type Rows = Vec<Tensor>;

/// The state of parameters that were updated together, as it came out, by their places among all.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    members: Vec<usize>,
    state: Rows,
}

/// What parameters need to have in common to be updated together.
struct Batch {
    update: Update,
    members: Vec<usize>,
    gradients: Vec<Tensor>,
}

/// The updates of one step that wait to be done together.
#[derive(Default)]
pub(crate) struct Together(Vec<Batch>);

impl Together {
    /// Adds the update of the parameter at `place`.
    pub fn add(&mut self, entries: &[Entry], place: usize, update: Update, gradient: &Tensor) {
        let var = &entries[place].var;
        let like = |batch: &&mut Batch| {
            let other = &entries[batch.members[0]].var;
            batch.update == update
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
                self.0.push(Batch { update, members, gradients });
            }
        }
    }

    /// Does the updates. `before` is the state as the last step gave it, which saves putting it together again.
    pub fn carry_out(
        self,
        rule: &dyn Rule,
        entries: &mut [Entry],
        before: &[Joined],
    ) -> Result<Vec<Joined>> {
        self.0.into_iter().map(|batch| batch.carry_out(rule, entries, before)).collect()
    }
}

impl Batch {
    fn carry_out(
        self,
        rule: &dyn Rule,
        entries: &mut [Entry],
        before: &[Joined],
    ) -> Result<Joined> {
        let Self { update, members, gradients } = self;
        let dtype = working_dtype(entries[members[0]].var.dtype());
        let vars: Vec<_> = members.iter().map(|&at| entries[at].var.as_detached_tensor()).collect();
        let state = match before.iter().find(|joined| joined.members == members) {
            Some(joined) => joined.state.clone(),
            None => (0..rule.slots().len())
                .map(|slot| {
                    let rows = members.iter().map(|&at| entries[at].rows()[slot].clone());
                    row(&rows.collect::<Vec<_>>(), dtype)
                })
                .collect::<Result<_>>()?,
        };
        let (parameter, gradient) = (row(&vars, dtype)?, row(&gradients, dtype)?);
        let mut results = formula::evaluate(rule, &update, parameter, gradient, state)?.into_iter();
        let Some(parameter) = results.next() else {
            candle_core::bail!("a formula without result")
        };
        let state: Rows = results.collect();
        let mut first = 0;
        for &at in &members {
            let entry = &mut entries[at];
            let (var, count) = (&entry.var, entry.var.elem_count());
            let values = parameter.narrow(0, first, count)?.reshape(var.shape())?;
            var.set(&values.to_dtype(var.dtype())?)?;
            entry.set_rows(
                state.iter().map(|row| row.narrow(0, first, count)).collect::<Result<_>>()?,
            );
            first += count;
        }
        Ok(Joined { members, state })
    }
}

/// All elements one after another, in memory of their own.
pub(crate) fn row(tensors: &[Tensor], dtype: DType) -> Result<Tensor> {
    let flat = |tensor: &Tensor| tensor.flatten_all()?.to_dtype(dtype);
    match tensors {
        [one] => flat(one)?.copy(),
        all => Tensor::cat(&all.iter().map(flat).collect::<Result<Vec<_>>>()?, 0),
    }
}
