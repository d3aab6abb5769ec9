//! The optimizer's state as named tensors, saved and restored.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor};

use crate::entry::{Buffers, Entry};
use crate::error::{OptimizerError, StateFault};
use crate::optimizer::Optimizer;
use crate::rule::Slot;
use crate::values::working_dtype;

/// The name of the count of all steps. No parameter's state has it: that holds a slash.
const STEP: &str = "step";

impl Optimizer {
    /// The whole state, by name: `conv1.weight/square_avg` for a slot, in the parameter's shape,
    /// `conv1.weight/step` for the parameter's step count and `step` for that of the optimizer,
    /// both scalars of dtype `i64`. All on the CPU, whatever the parameters' device, so that a run may go on on another
    /// one; and copies: later steps don't change them.
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
                let shape = entry.var.shape();
                let tensor = match &entry.buffers {
                    Buffers::F32(slots) => Tensor::from_slice(&slots[i], shape, &Device::Cpu)?,
                    Buffers::F64(slots) => Tensor::from_slice(&slots[i], shape, &Device::Cpu)?,
                    Buffers::Device(tensors) => {
                        tensors[i].to_device(&Device::Cpu)?.reshape(shape)?
                    }
                };
                state.insert(key(entry, slot.name), tensor);
            }
        }
        Ok(state)
    }

    /// Takes over a state that [`state`](Self::state) gave, of the same rule and parameters. Steps
    /// then go on with the bits they would have had without the interruption, given the same
    /// parameters.
    ///
    /// # Errors
    ///
    /// Every tensor that is missing, that has no place, or whose shape or dtype differs, in one
    /// [`OptimizerError::State`]; nothing was changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), OptimizerError> {
        let slots = self.rule.slots();
        let mut reader = Reader { state, known: BTreeSet::new(), faults: vec![] };
        let steps = reader.count(STEP.to_string())?;
        let mut loaded = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            loaded.push((reader.count(key(entry, STEP))?, reader.buffers(entry, &slots)?));
        }
        for name in state.keys().filter(|name| !reader.known.contains(*name)) {
            reader.faults.push(StateFault::Unexpected { name: name.clone() });
        }
        if !reader.faults.is_empty() {
            return Err(OptimizerError::State { faults: reader.faults });
        }
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

/// Looks tensors up, and notes what is wrong with them.
struct Reader<'a> {
    state: &'a BTreeMap<String, Tensor>,
    known: BTreeSet<String>,
    faults: Vec<StateFault>,
}

impl<'a> Reader<'a> {
    fn get(&mut self, name: String, shape: &[usize], dtype: DType) -> Option<&'a Tensor> {
        self.known.insert(name.clone());
        let fault = match self.state.get(&name) {
            None => StateFault::Missing { name },
            Some(tensor) if tensor.dims() != shape => {
                let (expected, found) = (shape.to_vec(), tensor.dims().to_vec());
                StateFault::Shape { name, expected, found }
            }
            Some(tensor) if tensor.dtype() != dtype => {
                StateFault::DType { name, expected: dtype, found: tensor.dtype() }
            }
            Some(tensor) => return Some(tensor),
        };
        self.faults.push(fault);
        None
    }

    fn count(&mut self, name: String) -> candle_core::Result<u64> {
        let Some(tensor) = self.get(name.clone(), &[], DType::I64) else { return Ok(0) };
        let value = tensor.to_scalar::<i64>()?;
        Ok(u64::try_from(value).unwrap_or_else(|_| {
            self.faults.push(StateFault::Count { name, value });
            0
        }))
    }

    fn buffers(&mut self, entry: &Entry, slots: &[Slot]) -> candle_core::Result<Buffers> {
        let dtype = working_dtype(entry.var.dtype());
        let mut tensors = Vec::with_capacity(slots.len());
        for slot in slots {
            let tensor = self.get(key(entry, slot.name), entry.var.dims(), dtype);
            tensors.extend(tensor.map(Tensor::flatten_all).transpose()?);
        }
        if let Buffers::Device(_) = entry.buffers {
            let to_device = |tensor: &Tensor| tensor.to_device(entry.var.device())?.copy();
            return Ok(Buffers::Device(
                tensors.iter().map(to_device).collect::<candle_core::Result<_>>()?,
            ));
        }
        Ok(match dtype {
            DType::F64 => Buffers::F64(
                tensors.iter().map(Tensor::to_vec1).collect::<candle_core::Result<_>>()?,
            ),
            _ => Buffers::F32(
                tensors.iter().map(Tensor::to_vec1).collect::<candle_core::Result<_>>()?,
            ),
        })
    }
}

#[cfg(test)]
mod tests;
