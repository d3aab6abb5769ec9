//! Saved state, looked up: what is wrong with it is noted, so that all faults are told at once.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Result, Tensor};

use crate::error::{OptimizerError, StateFault};

pub(crate) struct Reader<'a> {
    state: &'a BTreeMap<String, Tensor>,
    known: BTreeSet<String>,
    faults: Vec<StateFault>,
}

impl<'a> Reader<'a> {
    pub fn new(state: &'a BTreeMap<String, Tensor>) -> Self {
        Self { state, known: BTreeSet::new(), faults: vec![] }
    }

    /// A tensor, if it is as it should be.
    pub fn get(&mut self, name: String, shape: &[usize], dtype: DType) -> Option<&'a Tensor> {
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

    /// A count of steps.
    pub fn count(&mut self, name: String) -> Result<u64> {
        let Some(tensor) = self.get(name.clone(), &[], DType::I64) else { return Ok(0) };
        let value = tensor.to_scalar::<i64>()?;
        Ok(u64::try_from(value).unwrap_or_else(|_| {
            self.faults.push(StateFault::Count { name, value });
            0
        }))
    }

    /// Fails with all faults, what was not asked for among them.
    pub fn finish(mut self) -> std::result::Result<(), OptimizerError> {
        for name in self.state.keys().filter(|name| !self.known.contains(*name)) {
            self.faults.push(StateFault::Unexpected { name: name.clone() });
        }
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(OptimizerError::State { faults: self.faults }),
        }
    }
}
