//! What goes to stdout, warnings, and where files may go.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Prints to stdout; a reader that has closed the pipe has what it wanted.
pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value}\n"))
}

/// A line on stderr. That nobody reads it is no reason to end the run, as `eprintln!` would.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether a file that is to be written is one of the inputs, or lies in one.
pub(crate) fn is_input(file: &Path, inputs: &[PathBuf]) -> bool {
    let is_in =
        |file: &Path, input: &PathBuf| input.canonicalize().is_ok_and(|i| file.starts_with(i));
    file.canonicalize().is_ok_and(|file| inputs.iter().any(|input| is_in(&file, input)))
}
