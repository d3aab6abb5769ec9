//! The processes that a launcher such as `mpirun` has started to train one net: the first writes, prints and decides,
//! and one that fails ends them all.

use std::time::Duration;

use anyhow::Result;
use taper_runner::{Processes, Recipe};

/// Pieces of a batch where processes share it and the recipe cuts it into none.
const PIECES: usize = 8;

/// What launchers say of a process: its number, and how many there are.
const LAUNCHERS: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
];

/// The number of this process among those that a launcher has started, and how many there are.
fn launched() -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    LAUNCHERS.iter().find_map(|(rank, size)| Some((number(rank)?, number(size).unwrap_or(1))))
}

#[cfg(feature = "mpi")]
static JOINED: std::sync::OnceLock<std::sync::Arc<taper_runner::Mpi>> = std::sync::OnceLock::new();

/// Joins the processes that a launcher has started; one that was started alone stays alone.
#[cfg(feature = "mpi")]
pub(crate) fn join() -> Result<Processes> {
    if launched().is_none() {
        return Ok(Processes::default());
    }
    if let Some(mpi) = taper_runner::Mpi::join() {
        let _ = JOINED.set(std::sync::Arc::new(mpi));
    }
    Ok(JOINED.get().map_or_else(Processes::default, |mpi| Processes::new(mpi.clone())))
}

/// Refuses to be one of several that would each train the whole net.
#[cfg(not(feature = "mpi"))]
pub(crate) fn join() -> Result<Processes> {
    match launched() {
        Some((_, size)) if size > 1 => anyhow::bail!(
            "{size} processes were started, and this program is built without MPI; build it with `--features mpi`, or \
             start one"
        ),
        _ => Ok(Processes::default()),
    }
}

/// The number of this process among those that have joined.
fn rank() -> usize {
    #[cfg(feature = "mpi")]
    if let Some(mpi) = JOINED.get() {
        return taper_runner::Transport::rank(mpi.as_ref());
    }
    0
}

/// Whether this process writes and prints: the first of those that have joined.
pub(crate) fn is_first() -> bool {
    rank() == 0
}

/// Cuts the batches of a recipe so that processes can share them, where it leaves them whole; what is said of it.
pub(crate) fn cut(recipe: &mut Recipe, processes: &Processes) -> Option<String> {
    if !processes.are_joined() || recipe.train.pieces != 1 || recipe.train.batch_size < 2 {
        return None;
    }
    recipe.train.pieces = PIECES.min(1 << recipe.train.batch_size.ilog2());
    let pieces = recipe.train.pieces;
    Some(format!(
        "`train.pieces` is {pieces}, as always under MPI where it is not set: one process with {pieces} gives the \
         same bytes"
    ))
}

/// Ends this process's part in what all have done.
pub(crate) fn leave() {
    #[cfg(feature = "mpi")]
    if let Some(mpi) = JOINED.get() {
        mpi.leave();
    }
}

/// Before an error is told: where the first process meets the same one, it alone tells it. Who this is, for the message.
pub(crate) fn before_error() -> String {
    match launched().map_or(0, |(rank, _)| rank) {
        0 => String::new(),
        rank => {
            std::thread::sleep(Duration::from_millis(2000 + 50 * rank.min(20) as u64));
            format!("process {rank}: ")
        }
    }
}

/// Ends all processes that have joined, after an error; this one goes on where it is alone.
pub(crate) fn end_all() {
    #[cfg(feature = "mpi")]
    if let Some(mpi) = JOINED.get() {
        match taper_runner::Transport::size(mpi.as_ref()) {
            1 => mpi.leave(),
            _ => mpi.abort(1),
        }
    }
}
