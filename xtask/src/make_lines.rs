//! `cargo xtask make-lines`: pictures of lines of digits with the truth beside them.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use taper_lines::{Generator, Kind, Level, Part, Settings, write};

/// Which lines, and where to.
#[derive(Debug, Args)]
pub struct Flags {
    /// The folder to write to; new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// What kind of lines
    #[arg(long, value_enum, default_value_t = KindFlag::Handwritten)]
    kind: KindFlag,

    /// How many
    #[arg(long, short, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    n: u32,

    /// How far they stray: the easy half of each range, the hard one, or all of it
    #[arg(long, value_enum, default_value_t = LevelFlag::Clean)]
    level: LevelFlag,

    /// Whose hand and which fonts: those for training, for tuning or for testing
    #[arg(long, value_enum, default_value_t = PartFlag::Training)]
    part: PartFlag,

    /// Handwritten digits: a data set of the ten digits, such as a folder of MNIST's IDX files
    #[arg(long, value_name = "DATA", default_value = "mnist-sample")]
    digits: String,

    /// Digits of a line [default: 5; a card always has 16]
    #[arg(long, value_name = "N")]
    length: Option<usize>,

    /// Pixels between digits, in place of the level's range
    #[arg(long, value_name = "LOW..HIGH", allow_hyphen_values = true)]
    gap: Option<Gap>,

    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Digits of a card.
const CARD_DIGITS: usize = 16;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindFlag {
    /// Five handwritten digits on paper
    Handwritten,
    /// Five printed digits on paper
    Printed,
    /// Sixteen printed digits, embossed on a card
    Card,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelFlag {
    Clean,
    Degraded,
    Full,
}

/// Whose hand and which fonts.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PartFlag {
    Training,
    Tuning,
    Test,
}

impl From<PartFlag> for Part {
    fn from(flag: PartFlag) -> Self {
        match flag {
            PartFlag::Training => Part::Training,
            PartFlag::Tuning => Part::Tuning,
            PartFlag::Test => Part::Test,
        }
    }
}

/// A range of pixels.
#[derive(Debug, Clone, Copy)]
struct Gap(f64, f64);

impl FromStr for Gap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text
            .split_once("..")
            .and_then(|(low, high)| Some(Gap(low.trim().parse().ok()?, high.trim().parse().ok()?)));
        ends.ok_or_else(|| "expected LOW..HIGH, such as -3..12".to_string())
    }
}

/// Carries out the command.
pub fn run(flags: &Flags) -> Result<()> {
    let is_card = matches!(flags.kind, KindFlag::Card);
    if let Some(length) = flags.length.filter(|&length| is_card && length != CARD_DIGITS) {
        bail!("--length is {length}, but a card has {CARD_DIGITS} digits; leave it out");
    }
    let settings = Settings {
        kind: match flags.kind {
            KindFlag::Handwritten => Kind::Handwritten,
            KindFlag::Printed => Kind::Printed,
            KindFlag::Card => Kind::Card,
        },
        part: flags.part.into(),
        level: match flags.level {
            LevelFlag::Clean => Level::Clean,
            LevelFlag::Degraded => Level::Degraded,
            LevelFlag::Full => Level::Full,
        },
        length: flags.length.filter(|_| !is_card).unwrap_or(Settings::default().length),
        gap: flags.gap.map(|Gap(low, high)| (low, high)),
        seed: flags.seed,
    };
    let generator = Generator::new(settings, &flags.digits)?;
    write(&generator, flags.n as usize, &flags.out)?;
    println!("{}: {} lines, the truth in lines.jsonl", flags.out.display(), flags.n);
    Ok(())
}
