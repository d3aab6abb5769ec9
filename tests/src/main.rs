//! The command line, for the end-to-end tests to start.
//!
//! `TAPER_TEST_DIE=STAGE:N` ends the process, as a kill would, at the N-th time that a checkpoint's
//! save reaches the stage.

use std::sync::atomic::{AtomicU32, Ordering};

use taper_runner::checkpoint::{Stage, at_each_stage};

static REACHED: AtomicU32 = AtomicU32::new(0);

fn die(stage: Stage) {
    let at = std::env::var("TAPER_TEST_DIE").unwrap_or_default();
    let Some((name, n)) = at.split_once(':') else { return };
    if name != format!("{stage:?}").to_lowercase() {
        return;
    }
    if (REACHED.fetch_add(1, Ordering::Relaxed) + 1).to_string() == n {
        std::process::abort();
    }
}

/// Keeps the large tensors of a step for the next one.
#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

fn main() -> std::process::ExitCode {
    at_each_stage(die);
    taper_cli::run(std::env::args_os(), &taper_cli::registry())
}
