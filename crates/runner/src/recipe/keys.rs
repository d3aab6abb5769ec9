//! Keys of the recipe as data: each is declared once, with its documentation, type and default.

use taper_dataset::augment::KEYS as AUGMENT;
use toml::Value;

/// A key of the recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its dotted name, such as `train.epochs`.
    pub name: String,
    /// What it sets; paragraphs are separated by an empty line.
    pub doc: String,
    /// Its default.
    pub default: Option<Value>,
}

impl Key {
    /// The first paragraph of its documentation in one line, without the full stop.
    pub fn summary(&self) -> &str {
        self.doc.split("\n\n").next().unwrap_or_default().trim_end_matches('.')
    }
}

/// A key as [`settings`] declares it.
pub(crate) struct Declared {
    pub name: &'static str,
    pub doc: &'static str,
    pub default: fn() -> Option<Value>,
}

impl Declared {
    pub(crate) fn key(&self) -> Key {
        let paragraphs: Vec<String> = self
            .doc
            .split("\n\n")
            .map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "))
            .collect();
        Key { name: self.name.to_string(), doc: paragraphs.join("\n\n"), default: (self.default)() }
    }
}

/// The settings in a table of another crate's type, by their values.
pub(super) fn within(prefix: &str, value: &Value) -> Vec<Key> {
    let Value::Table(table) = value else { return Vec::new() };
    let keys = table.iter().flat_map(|(key, value)| {
        let name = format!("{prefix}.{key}");
        let inner = within(&name, value);
        let doc = documented(prefix, key).trim().to_string();
        match inner.is_empty() {
            true => vec![Key { name, doc, default: Some(value.clone()) }],
            false => inner,
        }
    });
    keys.collect()
}

/// What is said of a setting whose type is another crate's.
pub(super) fn documented(prefix: &str, key: &str) -> &'static str {
    match (prefix, key) {
        ("augment", key) => {
            AUGMENT.iter().find(|(known, _)| *known == key).map_or("", |(_, doc)| doc)
        }
        ("schedule.kind", key) => schedule_kind(key),
        ("schedule", "warmup_steps") => {
            "Updates of the linear warm-up; 0: as `schedule.warmup_ratio` says."
        }
        ("schedule", "warmup_ratio") => {
            "The share of all updates that the warm-up takes where `schedule.warmup_steps` is 0, from 0 to 1."
        }
        ("schedule", "warmup_start") => {
            "The part of the rate that the warm-up starts from, from 0 to 1."
        }
        ("loss", "name") => "The loss; each has settings of its own.",
        ("optimizer", key) => rule(key),
        ("average", key) => average(key),
        ("groups", key) => group(key),
        _ => "",
    }
}

fn schedule_kind(key: &str) -> &'static str {
    match key {
        "name" => {
            "The learning rate after the warm-up: `constant`, `linear`, `step`, `exponential`, \
             `cosine` or `one-cycle`, each with settings of its own."
        }
        "final_scale" => "The part of the peak rate that is left at the end, 0 or more.",
        "every" => {
            "Updates between two changes of the rate (`step`), or after which it has changed by `factor` \
             (`exponential`), 1 or more."
        }
        "factor" => "What each change multiplies the rate with, above 0.",
        "rise" => {
            "The share of the updates in which the rate rises, from 0 to 1 (0.5 with `three_phases`)."
        }
        "start_divisor" => "The peak rate divided by the rate at the start, above 0.",
        "final_divisor" => "The rate at the start divided by the rate at the end, above 0.",
        "anneal" => "The curve between two rates: `cosine` or `linear`.",
        "three_phases" => "Sink to the end only after a whole, symmetric cycle.",
        "momentum" => {
            "Cycle the momentum against the rate, between `{ low = 0.85, high = 0.95 }`; left out: it is \
             not cycled."
        }
        _ => "",
    }
}

fn rule(key: &str) -> &'static str {
    match key {
        "name" => "The rule; each has settings of its own, here those of `adamw`.",
        "learning_rate" => "Peak learning rate, 0 or more.",
        "learning_rate_decay" => "How fast the rate falls with the updates, 0 or more.",
        "momentum" => {
            "How much of the momentum buffer is kept, from 0 to below 1; 0: no buffer is kept."
        }
        "dampening" => "How much of a new gradient is held back from the buffer, from 0 to 1.",
        "nesterov" => "Look ahead; needs momentum, and no dampening.",
        "momentum_form" => {
            "What the buffer gathers: `gradient`, as in PyTorch, or `update`, as in Keras."
        }
        "beta1" => "How much of the mean gradient is kept, from 0 to below 1.",
        "beta2" => "How much of the mean square is kept, from 0 to below 1.",
        "rho" => "How much of the running averages is kept, from 0 to below 1.",
        "centered" => "Divide by the variance in place of the second moment.",
        "initial_accumulator" => "What the sum of squares starts from, 0 or more.",
        "epsilon" => "Keeps the denominator from zero, above 0.",
        "epsilon_place" => {
            "Where `epsilon` is added. In `adam` and `adamw`: `after-correction` of the bias, as in PyTorch, or \
             `before-correction`, as in Keras; in the others: `outside-root`, as in PyTorch, or `inside-root`, \
             as in Keras."
        }
        "weight_decay" => "Weight decay, 0 or more.",
        "decay" => {
            "How weight decay enters: `l2`, as the gradient of a penalty (PyTorch), or `decoupled`, beside the \
             gradient (Keras; always in `adamw`)."
        }
        "amsgrad" => "Divide by the largest mean square so far.",
        _ => "",
    }
}

fn average(key: &str) -> &'static str {
    match key {
        "name" => "`none`, `ema` or `swa`, each with settings of its own.",
        "decay" => "How much of the average stays at each update, from 0 to below 1.",
        "warmup" => "Start with a smaller decay: at most (1 + n) / (10 + n) after n updates.",
        "start" => "The share of the run after which averaging begins, from 0 to below 1.",
        "every" => "Updates between two that count, 1 or more.",
        _ => "",
    }
}

fn group(key: &str) -> &'static str {
    match key {
        "name" => "The group's name, unique; has to be given.",
        "patterns" => {
            "The parameters in it, by name or pattern such as `fc*`; has to be given. One that several groups \
             name is in the first."
        }
        "learning_rate_scale" => "What the learning rate is multiplied with, 0 or more.",
        "weight_decay" => "Takes the place of the rule's weight decay; left out: the rule's.",
        "decay_biases" => "Decay biases and the scales and shifts of norms, too.",
        _ => "",
    }
}

/// Declares a table of the recipe: a struct with the documentation, type and default of each key,
/// and `KEYS`, the same as data. What stands before the arrow is put before the keys' names.
macro_rules! settings {
    ($(#[$meta:meta])* $prefix:literal => $table:ident {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ident $(<$of:ty>)? = $default:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {$(
            $(#[doc = $doc])+
            #[doc = ""]
            #[doc = concat!("Default `", stringify!($default), "`.")]
            pub $key: $type $(<$of>)?,
        )*}

        impl Default for $table {
            fn default() -> Self {
                Self {$($key: $crate::recipe::keys::settings!(@ $type $default),)*}
            }
        }

        impl $table {
            pub(crate) const KEYS: &'static [$crate::recipe::keys::Declared] = &[$(
                $crate::recipe::keys::Declared {
                    name: concat!($prefix, stringify!($key)),
                    doc: concat!($($doc, "\n"),+),
                    default: || toml::Value::try_from(Self::default().$key).ok(),
                },
            )*];
        }
    };
    (@ String $default:expr) => { String::from($default) };
    (@ Vec $default:expr) => { Vec::from($default) };
    (@ $type:ident $default:expr) => { $default };
}

pub(super) use settings;
