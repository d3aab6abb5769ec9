//! `ci`: what must pass before a change lands, the cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

/// Flags of `ci`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Also licences, bans, sources and advisories of all dependencies, and the packages
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
    ("docs", "cargo doc --workspace --no-deps --locked", &[("RUSTDOCFLAGS", "-D warnings")]),
    ("tests", "cargo test --locked", &[]),
];

/// What `--full` adds.
const FULL: &[Step] = &[
    ("licences, bans, sources", "cargo deny --locked check licenses bans sources", &[]),
    (ADVISORIES, "cargo deny --locked fetch db", &[]),
    ("advisories", "cargo deny --locked check --disable-fetch advisories", &[]),
    (
        "packages",
        "cargo package --workspace --locked --no-verify --allow-dirty --exclude xtask --exclude taper-tests --exclude taper-stranger",
        &[],
    ),
];

/// The step that gets what another compares with: its database is not to be had everywhere.
const ADVISORIES: &str = "database of advisories";

/// Runs the steps, and says how long each took.
pub fn run(flags: &Flags) -> Result<()> {
    let (mut failed, mut no_database) = (Vec::new(), false);
    for (name, line, variables) in ALWAYS.iter().chain(FULL.iter().filter(|_| flags.full)) {
        println!("\n== {name}: {line}");
        if *name == "advisories" && no_database {
            println!("== {name}: NOT CHECKED, their database could not be fetched");
            continue;
        }
        let started = Instant::now();
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(variables.iter().copied()).current_dir(super::tidy::root());
        let ended = command.status()?;
        println!("== {name}: {ended}, {:.0} s", started.elapsed().as_secs_f64());
        if !ended.success() && *name == ADVISORIES {
            no_database = true;
        } else if !ended.success() {
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
