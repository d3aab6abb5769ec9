//! What a process tells the others of an update: its sums, flat.

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};

use crate::processes::Processes;

/// What adds nothing, not even to the sign of a zero.
const NOTHING: f32 = -0.0;

/// How many numbers are summed at once: a mebibyte of them, which stays in a core's cache from copy to copy.
const AT_ONCE: usize = 1 << 18;

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
    let travel = vars.iter().zip(found).filter(|(_, found)| **found > 0.0).map(|(var, _)| *var);
    // Each process has the same, since what was found is the same.
    let (large, small): (Vec<&Var>, Vec<&Var>) =
        travel.partition(|var| var.elem_count() >= AT_ONCE);
    for var in large {
        let mut values = numbers(sums, var)?;
        sum_in_parts(processes, &mut values);
        sums.insert(var, Tensor::from_vec(values, var.dims(), var.device())?);
    }
    let mut values = Vec::new();
    for var in &small {
        values.append(&mut numbers(sums, var)?);
    }
    sum_in_parts(processes, &mut values);
    let mut rest = &values[..];
    for var in small {
        let (sum, more) = rest.split_at(var.elem_count());
        sums.insert(var, Tensor::from_slice(sum, var.dims(), var.device())?);
        rest = more;
    }
    Ok(())
}

fn sum_in_parts(processes: &Processes, values: &mut [f32]) {
    values.chunks_mut(AT_ONCE).for_each(|part| processes.sum(part));
}

/// What was found for a variable.
fn numbers(sums: &GradStore, var: &Var) -> Result<Vec<f32>> {
    match sums.get(var) {
        Some(sum) => sum.to_dtype(DType::F32)?.flatten_all()?.to_vec1(),
        None => Ok(vec![NOTHING; var.elem_count()]),
    }
}

/// A row of losses of which none is known.
pub(super) fn no_losses(pieces: usize) -> Vec<f32> {
    vec![NOTHING; pieces]
}
