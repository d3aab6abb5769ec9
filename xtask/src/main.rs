//! Workspace commands: `cargo xtask …` is the command line `taper …`, built from this checkout,
//! and a few commands for those who work on Taper itself.

mod bench;
mod make_lines;
mod make_windows;
mod predict_speed;
mod ship_weights;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The commands that `taper` lacks.
const DEVELOPERS: &str = "
In the checkout alone:
  bench         Measure speed, alone or side by side with the peers
  predict-speed Measure how far `predict RUN FOLDER` hides decoding
  make-lines    Make pictures of lines of digits, with the truth beside them
  make-windows  Make what the weights for reading are trained on
  ship-weights  Make a run's weights those that come with Taper
";

/// Keeps the large tensors of a step for the next one.
#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // None of our words is other than UTF-8; a path may be.
    let words: Vec<&str> = args.iter().skip(1).map(|a| a.to_str().unwrap_or_default()).collect();
    let done = match words.as_slice() {
        ["bench", ..] => bench::run(std::env::args_os().skip(2)),
        ["predict-speed", _, _] => {
            predict_speed::run(Path::new(&args[2]), Path::new(&args[3]), &taper_cli::registry())
        }
        ["make-lines", ..] => make_lines::run(std::env::args_os().skip(2)),
        ["make-windows", ..] => make_windows::run(std::env::args_os().skip(2)),
        ["ship-weights", "reading", ..] => ship_weights::run(&args[3..], true),
        ["ship-weights", _] => ship_weights::run(&args[2..], false),
        _ => {
            let code = taper_cli::run(std::env::args_os(), &taper_cli::registry());
            if let ["help" | "-h" | "--help"] = words.as_slice() {
                // Whoever has closed the pipe has read enough.
                let _ = std::io::stdout().write_all(DEVELOPERS.as_bytes());
            }
            return code;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", taper_cli::message(&error));
            ExitCode::FAILURE
        }
    }
}
