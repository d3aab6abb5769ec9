//! The binary `taper`.

taper_cli::main!();
