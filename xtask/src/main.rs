//! Workspace commands: `cargo xtask …` is the command line `taper …`, built from this checkout,
//! and a few commands for those who work on Taper itself.

mod bench;
mod ci;
mod make_lines;
mod make_scenes;
mod make_windows;
mod new_file;
mod predict_speed;
mod reference;
mod ship_weights;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps the large tensors of a step for the next one.
#[global_allocator]
static ALLOCATOR: taper_cli::PoolingAllocator = taper_cli::PoolingAllocator::new();

/// Taper, built from this checkout, and commands for those who work on it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = taper_cli::AFTER_HELP)]
struct Xtask {
    #[command(flatten)]
    output: taper_cli::Output,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Taper(taper_cli::Command),
    /// For developers: all that must pass before a change lands, the cheapest first
    Ci(ci::Flags),
    /// For developers: look at what a program can see of docs/style.md
    Tidy,
    /// For developers: write docs/reference.md and docs/commands.md anew
    Reference,
    /// For developers: write the file that a layer of one's own begins with, its test included
    NewLayer(new_file::Flags),
    /// For developers: write the file that a net of one's own begins with, its test included
    NewNet(new_file::Flags),
    /// For developers: measure speed, alone or side by side with the peers
    Bench(bench::Flags),
    /// For developers: measure how far `predict` hides decoding behind the net
    PredictSpeed(predict_speed::Flags),
    /// For developers: make pictures of lines of digits, with the truth in lines.jsonl
    MakeLines(make_lines::Flags),
    /// For developers: make pictures of envelopes, cards, forms and labels, with the truth in scenes.jsonl
    MakeScenes(make_scenes::Flags),
    /// For developers: make labelled windows of generated lines, to train the weights for reading on
    MakeWindows(make_windows::Flags),
    /// For developers: make a run's weights those that come with Taper
    ShipWeights(ship_weights::Flags),
}

fn main() -> ExitCode {
    let registry = &taper_cli::registry();
    taper_cli::run_as(std::env::args_os(), |xtask: Xtask| match &xtask.command {
        Command::Taper(command) => taper_cli::dispatch(command, xtask.output, registry),
        Command::Ci(flags) => ci::run(flags),
        Command::Tidy => tidy::run(),
        Command::Reference => reference::run(),
        Command::NewLayer(flags) => new_file::layer(flags),
        Command::NewNet(flags) => new_file::net(flags),
        Command::Bench(flags) => bench::run(flags, xtask.output.json),
        Command::PredictSpeed(flags) => predict_speed::run(flags, registry),
        Command::MakeLines(flags) => make_lines::run(flags),
        Command::MakeScenes(flags) => make_scenes::run(flags),
        Command::MakeWindows(flags) => make_windows::run(flags),
        Command::ShipWeights(flags) => ship_weights::run(flags),
    })
}
