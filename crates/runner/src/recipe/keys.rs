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
fn documented(prefix: &str, key: &str) -> &'static str {
    match (prefix, key) {
        ("augment", key) => {
            AUGMENT.iter().find(|(known, _)| *known == key).map_or("", |(_, doc)| doc)
        }
        ("schedule.kind", "name") => {
            "The learning rate after the warm-up: `constant`, `linear`, `step`, `exponential`, \
             `cosine` or `one-cycle`, each with settings of its own."
        }
        ("schedule", "warmup_steps") => {
            "Steps of the linear warm-up; 0: as `schedule.warmup_ratio` says."
        }
        ("schedule", "warmup_ratio") => {
            "The share of all steps that the warm-up takes where `schedule.warmup_steps` is 0."
        }
        ("schedule", "warmup_start") => "The part of the rate that the warm-up starts from.",
        ("average", "name") => "`none`, `ema` or `swa`, each with settings of its own.",
        ("optimizer", "name") => "The rule; each has settings of its own, here those of `adamw`.",
        ("optimizer", "learning_rate") => "Peak learning rate.",
        ("optimizer", "beta1") => "How much of the mean gradient is kept, from 0 to below 1.",
        ("optimizer", "beta2") => "How much of the mean square is kept, from 0 to below 1.",
        ("optimizer", "epsilon") => "Keeps the denominator from zero, above 0.",
        ("optimizer", "epsilon_place") => {
            "Where `epsilon` is added: after the bias correction as in PyTorch, or before as in Keras."
        }
        ("optimizer", "weight_decay") => "Decoupled weight decay, 0 or more.",
        ("optimizer", "amsgrad") => "Divide by the largest mean square so far.",
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
