//! The command line, for the end-to-end tests to start.

/// Keeps the large tensors of a step for the next one.
#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

fn main() -> std::process::ExitCode {
    taper_cli::run(std::env::args_os(), &taper_cli::registry())
}
