//! One update of one parameter: in place on a CPU, by way of the host where it is in half precision or the rule has
//! no formula for tensors.

use crate::rule::{Piece, Rule, Update};
use crate::together::Rows;
use crate::values::{self, PARALLEL_FROM, PIECE, Values};
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use std::cell::RefCell;

/// The state of one parameter: a buffer for each slot of the rule.
#[derive(Clone, Debug)]
pub(crate) enum Buffers {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
    /// On the parameter's device, where that is none of the host's.
    Device(Rows),
}

/// Updates `var` and `buffers` by `rule`.
pub(crate) fn update(
    rule: &dyn Rule,
    update: &Update,
    var: &Var,
    gradient: &Tensor,
    buffers: &mut Buffers,
) -> Result<()> {
    let dtype = values::working_dtype(var.dtype());
    let mut gradient = values::on_host(gradient, dtype)?;
    let tensor = var.as_tensor();
    if tensor.device().is_cpu() && tensor.dtype() == dtype && tensor.is_contiguous() {
        if values::share_storage(&gradient, tensor) {
            gradient = gradient.force_contiguous()?;
        }
        let op = InPlace { rule, update, gradient: &gradient, buffers: RefCell::new(buffers) };
        return tensor.inplace_op1(&op);
    }
    // Half precision, or another device for a rule without a formula: update a copy in the working dtype and set it back.
    let host = tensor.to_device(&Device::Cpu)?.to_dtype(dtype)?.flatten_all()?;
    let updated = match dtype {
        DType::F64 => {
            let mut parameter = host.to_vec1::<f64>()?;
            run(rule, update, ParameterMut::F64(&mut parameter), &gradient, buffers)?;
            Tensor::from_vec(parameter, tensor.shape(), &Device::Cpu)?
        }
        _ => {
            let mut parameter = host.to_vec1::<f32>()?;
            run(rule, update, ParameterMut::F32(&mut parameter), &gradient, buffers)?;
            Tensor::from_vec(parameter, tensor.shape(), &Device::Cpu)?
        }
    };
    var.set(&updated.to_dtype(tensor.dtype())?.to_device(tensor.device())?)
}

struct InPlace<'a> {
    rule: &'a dyn Rule,
    update: &'a Update,
    gradient: &'a Tensor,
    buffers: RefCell<&'a mut Buffers>,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("expected a contiguous variable, found strides {:?}", layout.stride())
        };
        let parameter = match storage {
            CpuStorage::F32(values) => ParameterMut::F32(&mut values[start..end]),
            CpuStorage::F64(values) => ParameterMut::F64(&mut values[start..end]),
            _ => bail!("expected a variable of f32 or f64"),
        };
        run(self.rule, self.update, parameter, self.gradient, &mut self.buffers.borrow_mut())
    }
}

enum ParameterMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
}

fn run(
    rule: &dyn Rule,
    update: &Update,
    parameter: ParameterMut<'_>,
    gradient: &Tensor,
    buffers: &mut Buffers,
) -> Result<()> {
    values::read(gradient, |gradient| {
        match (parameter, gradient, buffers) {
            (ParameterMut::F32(p), Values::F32(g), Buffers::F32(state)) => {
                in_pieces(p, g, state, |piece| rule.update_f32(update, piece));
            }
            (ParameterMut::F64(p), Values::F64(g), Buffers::F64(state)) => {
                in_pieces(p, g, state, |piece| rule.update_f64(update, piece));
            }
            _ => bail!("the dtypes of parameter, gradient and state differ"),
        }
        Ok(())
    })
}

/// Hands a small parameter over whole, and a large one in pieces on several threads.
fn in_pieces<T: Send + Sync>(
    parameter: &mut [T],
    gradient: &[T],
    state: &mut [Vec<T>],
    update: impl Fn(Piece<'_, T>) + Send + Sync,
) {
    if parameter.len() < PARALLEL_FROM {
        let state = state.iter_mut().map(Vec::as_mut_slice).collect();
        return update(Piece { parameter, gradient, state });
    }
    let mut slots: Vec<_> = state.iter_mut().map(|slot| slot.chunks_mut(PIECE)).collect();
    let pieces: Vec<_> = parameter
        .chunks_mut(PIECE)
        .zip(gradient.chunks(PIECE))
        .map(|(parameter, gradient)| {
            let state = slots.iter_mut().filter_map(Iterator::next).collect();
            Piece { parameter, gradient, state }
        })
        .collect();
    pieces.into_par_iter().for_each(update);
}
