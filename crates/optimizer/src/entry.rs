//! A parameter in an optimizer, with its state.

use candle_core::{DType, Result, Tensor, Var};

use crate::group::Assignment;
use crate::rule::Slot;
use crate::values::working_dtype;

#[derive(Debug)]
pub(crate) struct Entry {
    pub var: Var,
    pub assignment: Assignment,
    pub steps: u64,
    pub buffers: Buffers,
}

/// The state of one parameter: a buffer for each slot of the rule.
#[derive(Clone, Debug)]
pub(crate) enum Buffers {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
    /// One-dimensional tensors on the parameter's device, where that is not the CPU.
    Device(Vec<Tensor>),
}

impl Entry {
    pub fn name(&self) -> &str {
        &self.assignment.parameter
    }

    /// The state on the parameter's device; empty on a CPU.
    pub fn tensors(&self) -> &[Tensor] {
        match &self.buffers {
            Buffers::Device(tensors) => tensors,
            Buffers::F32(_) | Buffers::F64(_) => &[],
        }
    }
}

impl Buffers {
    /// Fresh state for a parameter.
    pub fn new(slots: &[Slot], var: &Var) -> Result<Self> {
        if !var.device().is_cpu() {
            return Self::on_device(slots, var);
        }
        let count = var.elem_count();
        Ok(match working_dtype(var.dtype()) {
            DType::F64 => Self::F64(slots.iter().map(|slot| vec![slot.initial; count]).collect()),
            _ => Self::F32(slots.iter().map(|slot| vec![slot.initial as f32; count]).collect()),
        })
    }

    /// Fresh state in tensors.
    pub fn on_device(slots: &[Slot], var: &Var) -> Result<Self> {
        let tensor = |slot: &Slot| {
            let zeros = Tensor::zeros(var.elem_count(), working_dtype(var.dtype()), var.device())?;
            if slot.initial == 0.0 { Ok(zeros) } else { zeros.affine(1.0, slot.initial) }
        };
        Ok(Self::Device(slots.iter().map(tensor).collect::<Result<_>>()?))
    }
}
