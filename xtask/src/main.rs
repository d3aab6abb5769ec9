//! Workspace commands: `cargo xtask …` is the command line `taper …`, built from this checkout,
//! and a few commands for those who work on Taper itself.

mod bench;
mod ship_weights;

use std::path::Path;
use std::process::ExitCode;

/// The commands that `taper` lacks.
const DEVELOPERS: &str = "
In the checkout alone:
  bench         Measure speed, alone or side by side with the peers
  ship-weights  Make a run's weights those that come with Taper
";

/// Keeps the large tensors of a step for the next one.
#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bench", ..] => bench::run(std::env::args_os().skip(2)),
        ["ship-weights", run] => ship_weights::run(Path::new(run)),
        _ => {
            let code = taper_cli::run(std::env::args_os(), &taper_cli::registry());
            if let ["help" | "-h" | "--help"] = words.as_slice() {
                print!("{DEVELOPERS}");
            }
            return code;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
