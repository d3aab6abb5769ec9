//! Taper's command line, with what this package adds.

taper_cli::main!(|registry| taper_stranger::register(registry));
