//! The command line of Taper: flags to a recipe, the recipe to the runner, results to a table or
//! to JSON.
//!
//! The binary `taper` is [`main!`] alone. A program of one's own, with nets, data sets, optimizers, schedules, losses,
//! augmentations, metrics, listeners and recipes of its own, is the same line with what it adds to the [`Registry`]:
//!
//! ```
//! taper_cli::main!(|registry| {
//!     registry.add_recipe("mine", "[train]\nepochs = 3");
//! });
//! ```
//!
//! `cargo run -- train --recipe mine`, and `--help`, `--version` and every command are that program's. [`run`] and
//! [`run_as`] are what it is made of, for a `main` with commands of its own.

mod advice;
mod flags;
mod processes;

mod first_contact;
mod launch;
mod model;
mod print;
mod signals;
mod table;
mod threads;

mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use taper_metrics::text::printable_lines;
use taper_runner::{RunnerError, TrainingError};

use print::{complain, note, print_json};

pub use commands::dispatch;
pub use flags::{AFTER_HELP, Command, Output, flag_of};
pub use taper_kernels::PoolingAllocator;
pub use taper_runner::{self, Registry};

/// What Taper knows by name, the shipped weights included: `keras-cnn-mnist`, `digit-cnn-reading` for lines
/// of digits, `digit-cnn-characters` that tells digits from letters, and for photos `tf_efficientnet_lite0`, of ImageNet.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    macro_rules! ship {
        ($($name:literal),*) => {
            $(registry.models.add_weights(
                $name,
                include_bytes!(concat!("../assets/", $name, ".safetensors")),
            );)*
        };
    }
    ship!("keras-cnn-mnist", "digit-cnn-reading", "digit-cnn-characters");
    let photos = taper_photo_weights::TF_EFFICIENTNET_LITE0;
    registry.models.add_weights("tf_efficientnet_lite0", photos);
    registry
}

/// An error with its causes, as far as its message does not tell them already.
fn message(error: &anyhow::Error) -> String {
    let mut message = error.chain().skip(1).fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        // Further lines are a backtrace.
        match cause.lines().next() {
            Some(cause) if !told.contains(cause) => format!("{told}: {cause}"),
            _ => told,
        }
    });
    if let Some((end, _)) = message.char_indices().nth(LONGEST) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Letters of an error: one that quotes a file may be as long as the file.
const LONGEST: usize = 1 << 14;
/// The command line as clap has it, for what describes it.
pub fn command() -> clap::Command {
    flags::Cli::command()
}

/// An error as one JSON object on stdout, where `--json` asked for one.
fn tell_json(error: &str, exit_code: u8) {
    // That nobody reads it changes nothing: the same stands on stderr, and in the exit code.
    let _ = print_json(&serde_json::json!({ "error": error, "exit_code": exit_code }));
}

/// The `main` of a program with Taper's command line, and with what it adds to the [`Registry`], which the closure is
/// given; see the crate's page.
///
/// The program has its package's version, Taper's allocator, which keeps the large tensors of a step for the next
/// one, and catches Ctrl-C and SIGTERM.
#[macro_export]
macro_rules! main {
    () => {
        $crate::main!(|_registry| {});
    };
    (|$registry:ident| $extend:expr) => {
        #[global_allocator]
        static ALLOCATOR: $crate::PoolingAllocator = $crate::PoolingAllocator::new();

        fn main() -> ::std::process::ExitCode {
            let mut registry = $crate::registry();
            let extend = |$registry: &mut $crate::Registry| $extend;
            extend(&mut registry);
            let name =
                ::std::option_env!("CARGO_BIN_NAME").unwrap_or(::std::env!("CARGO_PKG_NAME"));
            let version = ::std::env!("CARGO_PKG_VERSION");
            $crate::run_program((name, version), ::std::env::args_os(), &registry)
        }
    };
}

/// Runs a command line of a program with this name and version; see [`run`].
pub fn run_program(
    (name, version): (&'static str, &'static str),
    args: impl IntoIterator<Item = OsString>,
    registry: &Registry,
) -> ExitCode {
    let command = flags::Cli::command().name(name).bin_name(name).version(version);
    let described = command.clone();
    let parse = |args| flags::Cli::from_arg_matches_mut(&mut command.try_get_matches_from(args)?);
    end(args, parse, |cli: flags::Cli| match &cli.command {
        Command::Completions(flags) => commands::describe::completions(flags, described),
        Command::Man => commands::describe::manual(&described),
        command => dispatch(command, cli.output, registry),
    })
}

/// Runs a command line, the program's name first, and says how it ended: 0 done, 1 an error, told
/// in one line on stderr and with `--json` as an object on stdout, 2 flags that are not understood, 130 or 143 a run that Ctrl-C or SIGTERM
/// has left off.
pub fn run(args: impl IntoIterator<Item = OsString>, registry: &Registry) -> ExitCode {
    run_as(args, |cli: flags::Cli| dispatch(&cli.command, cli.output, registry))
}

/// As [`run`], for a command line that has commands of its own beside [`Command`].
pub fn run_as<C: Parser>(
    args: impl IntoIterator<Item = OsString>,
    carry_out: impl FnOnce(C) -> anyhow::Result<()>,
) -> ExitCode {
    end(args, |args| C::try_parse_from(args), carry_out)
}

/// Understands a command line, carries it out, and says how it ended.
fn end<C>(
    args: impl IntoIterator<Item = OsString>,
    parse: impl FnOnce(Vec<OsString>) -> Result<C, clap::Error>,
    carry_out: impl FnOnce(C) -> anyhow::Result<()>,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" too, for stdout. A closed pipe is no reason to fail.
            let plain = error.render().to_string();
            if error.use_stderr() {
                processes::before_error();
            }
            if json && error.use_stderr() {
                let what = plain.split("\n\n").next().unwrap_or_default();
                tell_json(what.strip_prefix("error: ").unwrap_or(what), 2);
            }
            match printable_lines(&plain) {
                // An argument may be the name of any file.
                escaped if escaped != plain => note(escaped.trim_end()),
                _ => drop(error.print()),
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    signals::keep_file_limits();
    match threads::check().and_then(|()| carry_out(cli)) {
        Ok(()) => {
            processes::leave();
            ExitCode::SUCCESS
        }
        Err(error) => {
            if let Some(suspended @ RunnerError::Training(TrainingError::Suspended { .. })) =
                error.downcast_ref()
            {
                let line = format!("{suspended}{}", advice::of(&error));
                let code = signals::exit_code().unwrap_or(1);
                note(&line);
                if json {
                    tell_json(&line, code);
                }
                processes::leave();
                return ExitCode::from(code);
            }
            let line = format!("{}{}", message(&error), advice::of(&error));
            complain(&format!("error: {}{line}", processes::before_error()));
            if json {
                tell_json(&line, 1);
            }
            processes::end_all();
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use taper_runner::RunFolderError;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let refused = || std::io::Error::other("refused");
        let path = "x".into();
        let error = anyhow::Error::new(RunFolderError::Io { path, source: refused() });
        assert_eq!(message(&error), "x: refused");
        let torn = std::io::Error::other("refused\n  0: main");
        let error = anyhow::Error::new(torn).context("it was refused");
        assert_eq!(message(&error), "it was refused");
        let error = Err::<(), _>(refused()).context("cannot make the folder x").unwrap_err();
        assert_eq!(message(&error), "cannot make the folder x: refused");
    }
}

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
