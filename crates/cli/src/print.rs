//! What goes to stdout, warnings, and where files may go.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use taper_metrics::text::printable_lines;

use crate::processes;

/// Prints text to stdout. What came from a file cannot steer the terminal.
pub(crate) fn print(text: &str) -> Result<()> {
    print_data(&printable_lines(text))
}

/// Prints to stdout what is for programs, as it is unless it is a terminal; a reader that has closed the pipe has
/// what it wanted.
pub(crate) fn print_data(text: &str) -> Result<()> {
    if !processes::is_first() {
        return Ok(());
    }
    let text = match std::io::stdout().is_terminal() {
        true => Cow::from(printable_lines(text)),
        false => text.into(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print_data(&format!("{value}\n"))
}

/// A line on stderr, of the first of several processes.
pub(crate) fn note(line: &str) {
    if processes::is_first() {
        complain(line);
    }
}

/// A line on stderr. That nobody reads it is no reason to end the run, as `eprintln!` would.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable_lines(line));
}

/// Whether a file that is to be written is one of the inputs, or lies in one.
pub(crate) fn is_input(file: &Path, inputs: &[PathBuf]) -> bool {
    let is_in =
        |file: &Path, input: &PathBuf| input.canonicalize().is_ok_and(|i| file.starts_with(i));
    file.canonicalize().is_ok_and(|file| inputs.iter().any(|input| is_in(&file, input)))
}
