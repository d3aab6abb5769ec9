//! Flags that set a key of the recipe. A flag is its name, the key and the name of its value; what
//! it is for and what it takes is the key's own documentation and type.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use taper_runner::{Fault, Key, Recipe, RecipeError, RunnerError, keys};
use toml::Value;

/// A flag, the key and the name of the value.
type Flag = (&'static str, &'static str, &'static str);

/// Flags that belong together.
const GROUPS: [&[Flag]; 5] = [
    &[("data", "data.source", "DATA"), ("augment", "augment", "POLICY")],
    &[
        ("limit", "data.limit", "N"),
        ("per-class", "data.per_class", "N"),
        ("classes", "data.classes", "NAME"),
    ],
    &[
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
    ],
    &[
        ("weights", "model.weights", "WEIGHTS"),
        ("layout", "model.layout", "LAYOUT"),
        ("method", "method", "METHOD"),
        ("merge", "method.merge", ""),
        ("freeze", "model.freeze", "PATTERN"),
        ("allow-missing", "model.allow_missing", "PATTERN"),
        ("allow-unused", "model.allow_unused", "PATTERN"),
    ],
    &[("net", "model.net", "NET"), ("layout", "model.layout", "LAYOUT")],
];

/// The flag that sets a key of the recipe, without its hyphens.
pub fn flag_of(key: &str) -> Option<&'static str> {
    GROUPS.iter().copied().flatten().find(|(_, known, _)| *known == key).map(|(flag, ..)| *flag)
}

/// The images, and how they are changed.
pub type Images = Settings<0>;

/// Which images of the data are taken.
pub type Subset = Settings<1>;

/// What `finetune` and `train` share.
pub type Training = Settings<2>;

/// What starts from weights.
pub type Pretrained = Settings<3>;

/// What weights need that do not say what net they are of.
pub type Plain = Settings<4>;

/// The flags of a group as typed: overrides of the recipe, in the order in which the group has them.
#[derive(Debug)]
pub struct Settings<const GROUP: usize> {
    /// Dotted key and TOML value.
    pub(crate) overrides: Vec<(String, String)>,
}

impl<const GROUP: usize> Args for Settings<GROUP> {
    fn augment_args(command: Command) -> Command {
        command.args(GROUPS[GROUP].iter().map(|(flag, key, value)| argument(flag, key, value)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const GROUP: usize> FromArgMatches for Settings<GROUP> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let set = |(_, key, _): &Flag| Some((key.to_string(), given(key, matches)?.to_string()));
        Ok(Self { overrides: GROUPS[GROUP].iter().filter_map(set).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The recipe's description of a key.
fn described(key: &str) -> &'static Key {
    // Flags and keys are both constants, and parsing any command line builds the flags of all commands:
    // one without its key would fail every test that runs a command.
    keys().iter().find(|known| known.name == key).expect("flags set keys that there are")
}

/// clap's argument for a flag; it goes by the key's name.
fn argument(flag: &'static str, name: &'static str, value: &'static str) -> Arg {
    let key = described(name);
    let arg = Arg::new(name).long(flag).value_name(value).help(key.summary());
    match &key.default {
        Some(Value::Boolean(_)) => arg.value_name(None).action(ArgAction::SetTrue),
        // TOML's integers have 64 bits, the sign among them.
        Some(Value::Integer(_)) => {
            // Without the flag all are taken.
            let least = u64::from(["data.limit", "data.per_class"].contains(&name));
            arg.value_parser(value_parser!(u64).range(least..=i64::MAX as u64))
        }
        Some(Value::Float(_)) => arg.value_parser(value_parser!(f64)).allow_negative_numbers(true),
        Some(Value::Array(_)) => {
            let help = format!("{} (may be repeated, or separated by commas)", key.summary());
            arg.action(ArgAction::Append).value_delimiter(',').help(help)
        }
        Some(Value::String(_)) => arg.value_parser(move |text: &str| taken(name, text)),
        _ => arg,
    }
}

/// A word or text that the recipe takes for a key.
fn taken(key: &str, text: &str) -> Result<String, String> {
    let value = Value::from(text).to_string();
    match Recipe::default().with(&[(key.to_string(), value)]) {
        Ok(_) => Ok(text.to_string()),
        Err(RunnerError::Recipe(RecipeError::Invalid { fault: Fault::Value { expected, .. } })) => {
            Err(format!("expected {expected}"))
        }
        Err(error) => Err(error.to_string()),
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
