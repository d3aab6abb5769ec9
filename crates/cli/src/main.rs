//! The binary `taper`.

fn main() -> std::process::ExitCode {
    taper_cli::run(std::env::args_os(), &taper_cli::registry())
}
