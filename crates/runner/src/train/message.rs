//! What a process tells the others of an update: its sums, flat.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, Var, bail};

use crate::processes::Processes;

/// What adds nothing, not even to the sign of a zero.
const NOTHING: f32 = -0.0;

/// Adds what all processes have found for each variable; `losses` has a place for each piece, and [`NOTHING`] in
/// those of others. What no process has found stays out and does not travel.
pub(super) fn sum_over<'a>(
    processes: &Processes,
    sums: &mut GradStore,
    vars: impl Iterator<Item = &'a Var>,
    losses: &mut [f32],
) -> Result<()> {
    let vars: Vec<&Var> = vars.collect();
    // A process without a piece of the last batch has found nothing.
    let found = vars.iter().map(|var| if sums.get(var).is_some() { 1.0 } else { NOTHING });
    let mut head: Vec<f32> = found.chain(losses.iter().copied()).collect();
    processes.sum(&mut head);
    let (found, all_losses) = head.split_at(vars.len());
    losses.copy_from_slice(all_losses);
    let travel = || vars.iter().zip(found).filter(|(_, found)| **found > 0.0).map(|(var, _)| *var);
    let mut values = Vec::with_capacity(travel().map(|var| var.elem_count()).sum());
    for var in travel() {
        match sums.get(var) {
            Some(sum) => append(&mut values, sum)?,
            None => values.resize(values.len() + var.elem_count(), NOTHING),
        }
    }
    processes.sum(&mut values);
    let mut rest = &values[..];
    for var in travel() {
        let (sum, more) = rest.split_at(var.elem_count());
        sums.insert(var, Tensor::from_slice(sum, var.dims(), var.device())?);
        rest = more;
    }
    Ok(())
}

/// Appends the numbers of a tensor.
fn append(values: &mut Vec<f32>, tensor: &Tensor) -> Result<()> {
    let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) => {
            values.extend_from_slice(&all[start..end]);
            Ok(())
        }
        _ => bail!("expected contiguous f32 on the host"),
    }
}

/// A row of losses of which none is known.
pub(super) fn no_losses(pieces: usize) -> Vec<f32> {
    vec![NOTHING; pieces]
}
