//! Flags that set a key of the recipe. A flag is its name, the key and the name of its value; what
//! it is for and what it takes is the key's own documentation and type.

use std::marker::PhantomData;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use taper_runner::{DeviceChoice, Key, keys};
use toml::Value;

/// Flags that belong together: the flag, the key and the name of the value of each.
pub trait Group {
    const FLAGS: &'static [(&'static str, &'static str, &'static str)];
}

/// Which images of the data are taken.
#[derive(Debug)]
pub struct Subset;

impl Group for Subset {
    const FLAGS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("limit", "data.limit", "N"),
        ("per-class", "data.per_class", "N"),
        ("classes", "data.classes", "NAME,…"),
    ];
}

/// What `inspect` looks at.
#[derive(Debug)]
pub struct Images;

impl Group for Images {
    const FLAGS: &'static [(&'static str, &'static str, &'static str)] =
        &[("data", "data.source", "DATA"), ("augment", "augment", "POLICY")];
}

/// What `finetune` and `train` share.
#[derive(Debug)]
pub struct Training;

impl Group for Training {
    const FLAGS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("net", "model.net", "NET"),
        ("epochs", "train.epochs", "N"),
        ("batch-size", "train.batch_size", "N"),
        ("accumulate", "train.accumulate", "N"),
        ("optimizer", "optimizer", "NAME"),
        ("learning-rate", "optimizer.learning_rate", "RATE"),
        ("max-steps", "train.max_steps", "N"),
        ("max-time", "train.max_minutes", "MINUTES"),
        ("seed", "seed", "N"),
        ("device", "device", "DEVICE"),
        ("overfit-batches", "data.overfit_batches", "N"),
        ("tensorboard", "log.tensorboard", ""),
    ];
}

/// What starts from weights.
#[derive(Debug)]
pub struct Pretrained;

impl Group for Pretrained {
    const FLAGS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("weights", "model.weights", "WEIGHTS"),
        ("layout", "model.layout", "LAYOUT"),
        ("method", "method", "METHOD"),
        ("merge", "method.merge", ""),
        ("freeze", "model.freeze", "PATTERN"),
        ("allow-missing", "model.allow_missing", "PATTERN"),
        ("allow-unused", "model.allow_unused", "PATTERN"),
    ];
}

/// The flags of a group as typed: overrides of the recipe, in the order in which the group has them.
#[derive(Debug)]
pub struct Settings<G> {
    /// Dotted key and TOML value.
    pub(crate) overrides: Vec<(String, String)>,
    group: PhantomData<G>,
}

impl<G: Group> Args for Settings<G> {
    fn augment_args(command: Command) -> Command {
        command.args(G::FLAGS.iter().map(|(flag, key, value)| argument(flag, key, value)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<G: Group> FromArgMatches for Settings<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let set = |(_, key, _): &(&str, &'static str, &str)| {
            Some((key.to_string(), given(key, matches)?.to_string()))
        };
        Ok(Self { overrides: G::FLAGS.iter().filter_map(set).collect(), group: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The recipe's description of a key.
fn described(key: &str) -> &'static Key {
    // Tests build every command line.
    keys().iter().find(|known| known.name == key).expect("flags set keys that there are")
}

/// clap's argument for a flag; it goes by the key's name.
fn argument(flag: &'static str, name: &'static str, value: &'static str) -> Arg {
    let key = described(name);
    let arg = Arg::new(name).long(flag).value_name(value).help(key.summary());
    match (name, &key.default) {
        (_, Some(Value::Boolean(_))) => arg.value_name(None).action(ArgAction::SetTrue),
        // TOML's integers have 64 bits, the sign among them.
        (_, Some(Value::Integer(_))) => {
            arg.value_parser(value_parser!(u64).range(..=i64::MAX as u64))
        }
        (_, Some(Value::Float(_))) => {
            arg.value_parser(value_parser!(f64)).allow_negative_numbers(true)
        }
        ("data.classes", _) => arg.action(ArgAction::Append).value_delimiter(','),
        (_, Some(Value::Array(_))) => {
            arg.action(ArgAction::Append).help(format!("{} (may be repeated)", key.summary()))
        }
        ("model.layout", _) => arg.value_parser(PossibleValuesParser::new(["pytorch", "keras"])),
        ("device", _) => arg.value_parser(|device: &str| {
            device.parse::<DeviceChoice>().map(|device| device.to_string())
        }),
        _ => arg,
    }
}

/// The value that a flag was given, if it was.
fn given(key: &'static str, matches: &ArgMatches) -> Option<Value> {
    match described(key).default {
        Some(Value::Boolean(_)) => matches.get_flag(key).then_some(Value::Boolean(true)),
        Some(Value::Integer(_)) => {
            matches.get_one(key).map(|number: &u64| Value::Integer(*number as i64))
        }
        Some(Value::Float(_)) => matches.get_one(key).copied().map(Value::Float),
        Some(Value::Array(_)) => {
            let items = matches.get_many::<String>(key)?;
            Some(Value::Array(items.cloned().map(Value::String).collect()))
        }
        _ => matches.get_one::<String>(key).cloned().map(Value::String),
    }
}
