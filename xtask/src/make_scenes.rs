//! `cargo xtask make-scenes`: pictures of envelopes, cards, forms and labels with the truth beside them.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use taper_lines::{SceneGenerator, SceneKind, SceneSettings, View, write_scenes};

use crate::make_lines::PartFlag;

/// Which scenes, and where to.
#[derive(Debug, Args)]
pub struct Flags {
    /// The folder to write to; new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// What they show
    #[arg(long, value_enum, default_value_t = KindFlag::Envelope)]
    kind: KindFlag,

    /// How they are seen
    #[arg(long, value_enum, default_value_t = ViewFlag::Plain)]
    view: ViewFlag,

    /// How many
    #[arg(long, short, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    n: u32,

    /// Whose hand and which fonts: those for training, for tuning or for testing
    #[arg(long, value_enum, default_value_t = PartFlag::Training)]
    part: PartFlag,

    /// Handwritten digits: a data set of the ten digits, such as a folder of MNIST's IDX files
    #[arg(long, value_name = "DATA", default_value = "mnist-sample")]
    digits: String,

    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindFlag {
    /// Envelopes of several countries
    Envelope,
    /// Bank cards
    Card,
    /// Forms with a field for the postcode
    Form,
    /// Labels of parcels
    Label,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ViewFlag {
    /// From above, as PNG files
    Plain,
    /// On a table and from an angle, as JPEG files
    Photo,
}

/// Carries out the command.
pub fn run(flags: &Flags) -> Result<()> {
    let settings = SceneSettings {
        kind: match flags.kind {
            KindFlag::Envelope => SceneKind::Envelope,
            KindFlag::Card => SceneKind::Card,
            KindFlag::Form => SceneKind::Form,
            KindFlag::Label => SceneKind::Label,
        },
        view: match flags.view {
            ViewFlag::Plain => View::Plain,
            ViewFlag::Photo => View::Photo,
        },
        part: flags.part.into(),
        seed: flags.seed,
    };
    let generator = SceneGenerator::new(settings, &flags.digits)?;
    write_scenes(&generator, flags.n as usize, &flags.out)?;
    println!("{}: {} scenes, the truth in scenes.jsonl", flags.out.display(), flags.n);
    Ok(())
}
