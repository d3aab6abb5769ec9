//! The threads that a command will need, asked for before anything is begun.

use std::sync::{Arc, Barrier};
use std::thread::Builder;

use anyhow::{Result, ensure};

/// How many threads are computed with for each core at most: more have less to do each, and wait for each other.
const A_CORE: usize = 16;

/// Checks that as many threads can be started as those that compute and those that read data take: rayon and candle end
/// the program where the system denies one.
pub(crate) fn check() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    let threads = asked.filter(|&threads| threads > 0).unwrap_or(cores);
    let most = A_CORE * cores;
    ensure!(
        threads <= most,
        "RAYON_NUM_THREADS is {threads}, expected at most {most}: {A_CORE} for each of {cores} cores"
    );
    // A pool of rayon's, one of candle's, and a thread that loads.
    let needed = 2 * threads + 1;
    let gate = Arc::new(Barrier::new(needed + 1));
    let mut started = Vec::with_capacity(needed);
    let mut denied = None;
    for _ in 0..needed {
        let gate = gate.clone();
        // They all are there at once.
        match Builder::new().stack_size(64 << 10).spawn(move || gate.wait()) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                denied = Some(error);
                break;
            }
        }
    }
    let Some(error) = denied else {
        gate.wait();
        started.into_iter().for_each(|thread| drop(thread.join()));
        return Ok(());
    };
    // The others wait for a gate that never opens, and end with the program.
    anyhow::bail!(
        "the system denies a thread ({error}), {} of {needed} were started; allow more processes, or set RAYON_NUM_THREADS",
        started.len()
    )
}
