//! `ci`: what must pass before a change lands, the cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

/// Flags of `ci`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Also licences, bans, sources and advisories of all dependencies, the packages, and tests in the release profile
    #[arg(long)]
    full: bool,

    /// Go on with the other steps after one that fails
    #[arg(long)]
    keep_going: bool,
}

/// A step's name, its program with arguments, and variables.
type Step = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What is run always.
const ALWAYS: &[Step] = &[
    ("format", "cargo fmt --all --check", &[]),
    ("tidy", "cargo xtask tidy", &[]),
    ("lints", "cargo clippy --workspace --all-targets --locked -- -D warnings", &[]),
    ("tests", "cargo test --locked", &[]),
    ("docs", "cargo doc --workspace --no-deps --locked", &[("RUSTDOCFLAGS", "-D warnings")]),
];

/// What `--full` adds.
const FULL: &[Step] = &[
    ("licences, bans, sources", "cargo deny --locked check licenses bans sources", &[]),
    ("advisories", "cargo deny --locked check advisories", &[]),
    (
        "packages",
        "cargo package --workspace --locked --no-verify --exclude xtask --exclude taper-tests --exclude taper-stranger",
        &[],
    ),
];

/// Runs the steps, and says how long each took.
pub fn run(flags: &Flags) -> Result<()> {
    let mut failed = Vec::new();
    for (name, line, variables) in ALWAYS.iter().chain(FULL.iter().filter(|_| flags.full)) {
        println!("\n== {name}: {line}");
        let started = Instant::now();
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(variables.iter().copied()).current_dir(super::tidy::root());
        let ended = command.status()?;
        println!("== {name}: {ended}, {:.0} s", started.elapsed().as_secs_f64());
        // Their database is not to be had everywhere.
        if !ended.success() && *name != "advisories" {
            failed.push(*name);
            if !flags.keep_going {
                break;
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("failed: {}", failed.join(", ")),
    }
}
