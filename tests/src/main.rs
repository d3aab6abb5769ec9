//! The command line, for the end-to-end tests to start.

fn main() -> std::process::ExitCode {
    taper_cli::run(std::env::args_os(), &taper_cli::registry())
}
