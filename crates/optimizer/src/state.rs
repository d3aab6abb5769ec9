//! The optimizer's state as named tensors, saved and restored.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::entry::Entry;
use crate::error::OptimizerError;
use crate::optimizer::Optimizer;
use crate::saved::Reader;
use crate::values::working_dtype;

/// The name of the count of all steps. No parameter's state has it: that holds a slash.
const STEP: &str = "step";

impl Optimizer {
    /// The whole state, by name: `conv1.weight/square_avg` for a slot, in the parameter's shape,
    /// `conv1.weight/step` for the parameter's step count and `step` for that of the optimizer,
    /// both scalars of dtype `i64`. All are on the CPU, whatever the parameters' device, so that a run
    /// may resume on another one; and copies: later steps don't change them.
    ///
    /// # Errors
    ///
    /// None on a CPU with memory to spare.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>, OptimizerError> {
        let slots = self.rule.slots();
        let mut state = BTreeMap::from([(STEP.to_string(), count(self.steps)?)]);
        for entry in &self.entries {
            state.insert(key(entry, STEP), count(entry.steps)?);
            for (i, slot) in slots.iter().enumerate() {
                let tensor = entry.buffers.tensor(i, entry.var.shape())?;
                state.insert(key(entry, slot.name), tensor.to_device(&Device::Cpu)?);
            }
        }
        Ok(state)
    }

    /// Takes over a state that [`state`](Self::state) gave, of the same rule and parameters. Steps
    /// then continue with the bits they would have had without the interruption, given the same
    /// parameters.
    ///
    /// # Errors
    ///
    /// Every tensor that is missing, that has no place, or whose shape or dtype differs, in one
    /// [`OptimizerError::State`]; nothing was changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), OptimizerError> {
        let slots = self.rule.slots();
        let mut reader = Reader::new(state);
        let steps = reader.count(STEP.to_string())?;
        let mut loaded = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let (dims, dtype) = (entry.var.dims(), working_dtype(entry.var.dtype()));
            let count = reader.count(key(entry, STEP))?;
            let tensors =
                slots.iter().filter_map(|slot| reader.get(key(entry, slot.name), dims, dtype));
            let tensors: Vec<Tensor> = tensors.cloned().collect();
            loaded.push((count, entry.buffers.with(&tensors, &entry.var)?));
        }
        reader.finish()?;
        self.batches.clear();
        self.steps = steps;
        for (entry, (steps, buffers)) in self.entries.iter_mut().zip(loaded) {
            entry.steps = steps;
            entry.buffers = buffers;
        }
        Ok(())
    }
}

fn key(entry: &Entry, slot: &str) -> String {
    format!("{}/{slot}", entry.name())
}

fn count(steps: u64) -> candle_core::Result<Tensor> {
    // Nobody takes 2^63 steps.
    Tensor::new(steps as i64, &Device::Cpu)
}

#[cfg(test)]
mod tests;
