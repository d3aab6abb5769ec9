//! What is wrong with a table that should be a recipe, in the words of its keys.

use std::fmt;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What is wrong with a table of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A key with a value that it does not take.
    Value {
        /// The dotted key.
        key: String,
        /// The value, as a recipe has it.
        found: String,
        /// What it takes.
        expected: String,
    },
    /// A key that has to be there.
    Missing(String),
    /// A key that there is not.
    Unknown {
        /// The dotted key.
        key: String,
        /// Those there are in its table.
        known: Vec<String>,
    },
    /// Something else, such as text that is no TOML.
    Text(String),
}

impl Fault {
    /// The same fault in a table below a key.
    pub(crate) fn within(self, outer: &str) -> Self {
        let below = |key: String| format!("{outer}.{key}");
        match self {
            Self::Value { key, found, expected } => {
                Self::Value { key: below(key), found, expected }
            }
            Self::Missing(key) => Self::Missing(below(key)),
            Self::Unknown { key, known } => {
                Self::Unknown { key: below(key), known: known.into_iter().map(below).collect() }
            }
            Self::Text(text) => Self::Text(format!("`{outer}`: {text}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { key, found, expected } => {
                write!(f, "`{key}` is {found}, expected {expected}")
            }
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Unknown { key, known } => match known.is_empty() {
                true => write!(f, "unknown key `{key}`, expected none here"),
                false => write!(f, "unknown key `{key}`, expected one of `{}`", known.join("`, `")),
            },
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Reads TOML's text as a table.
///
/// # Errors
/// It is none.
pub fn table_of_text(text: &str) -> Result<Table, Fault> {
    // TOML's errors draw the place over several lines; an error of ours is one line.
    text.parse().map_err(|error: toml::de::Error| {
        let drawn = error.to_string();
        let lines = drawn.lines().map(str::trim);
        let lines = lines.filter(|l| !l.is_empty() && !l.starts_with('|') && !l.ends_with('|'));
        Fault::Text(taper_untrusted::cut(lines.collect::<Vec<_>>().join("; ")))
    })
}

/// Reads a table as settings.
///
/// # Errors
/// A key that there is not, or one with a value that it does not take.
pub fn settings_of<T: DeserializeOwned>(table: Table) -> Result<T, Fault> {
    let table = Value::Table(table);
    table.clone().try_into().map_err(|error: toml::de::Error| {
        let told = error.to_string();
        let path = told.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        let still = |table: Value| match table.try_into::<T>() {
            Ok(_) => false,
            Err(other) => other.message() == error.message(),
        };
        fault(&table, path.unwrap_or_default(), error.message(), still)
    })
}

/// What a message of serde says of a table; `path` is how far serde knows where, `still` whether another
/// table has the same fault.
fn fault(table: &Value, path: &str, message: &str, still: impl Fn(Value) -> bool) -> Fault {
    let mut nodes = Vec::new();
    walk(table, String::new(), &mut nodes);
    let below = |key: &str, path: &str| {
        let rest = key.strip_prefix(path);
        rest.is_some_and(|r| path.is_empty() || r.is_empty() || r.starts_with(['.', '[']))
    };
    // Of what is in a list serde does not tell the place.
    let path = match nodes.iter().any(|(key, _)| below(key, path)) {
        true => path,
        false => path.split('.').next().unwrap_or_default(),
    };
    nodes.retain(|(key, _)| below(key, path));
    let within = |key: &str, name: &str| {
        if key.is_empty() { name.to_string() } else { format!("{key}.{name}") }
    };
    let mut names = message.split('`').skip(1).step_by(2);
    let (head, expected) = message.split_once(", expected ").unwrap_or((message, message));
    // A type that reads its own text says so in its own words.
    let expected = match expected.strip_prefix("expected ") {
        Some(own) => own.split(", found ").next().unwrap_or(own),
        None => expected,
    };
    let is = |value: &Value, name: Option<&str>| match name {
        Some(name) => value.as_str() == Some(name),
        None => head.ends_with(&unexpected(value)),
    };
    if message.starts_with("unknown field") {
        let name = names.next().unwrap_or_default();
        let holds = |value: &Value| value.as_table().is_some_and(|table| table.contains_key(name));
        let place = nodes.iter().find(|(_, value)| holds(value)).map_or(path, |(key, _)| key);
        return Fault::Unknown {
            key: within(place, name),
            known: names.map(|name| within(place, name)).collect(),
        };
    }
    if message.starts_with("missing field") {
        return Fault::Missing(within(path, names.next().unwrap_or_default()));
    }
    let variant = if message.starts_with("unknown variant") { names.next() } else { None };
    // Where the reader does not tell all of the way, by the value; of equal ones the one without which the
    // fault is gone.
    let mut same = nodes.iter().filter(|(_, value)| is(value, variant));
    let place = match same.clone().count() {
        0 => nodes.first(),
        1 => same.next(),
        _ => same.clone().find(|(key, _)| !still(without(table, key))).or(same.next()),
    };
    // A list where a table with a name belongs: serde reads its first element as the name.
    let outer = |key: &str| key.rsplit_once('[').map(|(outer, _)| outer.to_string());
    let place = match place.filter(|_| expected == "variant identifier") {
        Some((key, _)) if key.ends_with(']') => {
            outer(key).and_then(|key| nodes.iter().find(|node| node.0 == key))
        }
        _ => place,
    };
    match place {
        Some((key, value)) if !key.is_empty() => {
            Fault::Value { key: key.clone(), found: shown(value), expected: plain(expected) }
        }
        _ => Fault::Text(message.to_string()),
    }
}

/// Every value of a table, with its dotted key, outer ones first.
fn walk<'a>(value: &'a Value, key: String, into: &mut Vec<(String, &'a Value)>) {
    into.push((key.clone(), value));
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                walk(value, key, into);
            }
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(place, item)| walk(item, format!("{key}[{place}]"), into));
        }
        _ => {}
    }
}

/// A table without one of its keys.
fn without(table: &Value, key: &str) -> Value {
    let mut table = table.clone();
    let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut inner = path.split('.').filter(|name| !name.is_empty());
    let inner = inner.try_fold(&mut table, |value, name| value.get_mut(name));
    if let Some(Value::Table(inner)) = inner {
        inner.remove(last);
    }
    table
}

/// A value in serde's words.
pub(crate) fn unexpected(value: &Value) -> String {
    match value {
        Value::String(text) => format!("string {text:?}"),
        Value::Integer(number) => format!("integer `{number}`"),
        Value::Float(number) => format!("floating point `{number:?}`"),
        Value::Boolean(on) => format!("boolean `{on}`"),
        Value::Array(_) => "sequence".to_string(),
        Value::Table(_) => "map".to_string(),
        Value::Datetime(time) => time.to_string(),
    }
}

/// A value as an error shows it: texts in backticks, like names.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        value => value.to_string(),
    }
}

/// What serde expected in the words of a recipe's reader.
fn plain(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" => "a whole number of 0 or more".to_string(),
        "f64" | "f32" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a string" => "text".to_string(),
        "a sequence" => "a list such as [1, 2] or [\"a\", \"b\"]".to_string(),
        "variant identifier" => "a name".to_string(),
        table if table.contains("tagged enum") => "a name, or a table with a `name`".to_string(),
        table if table.starts_with("struct ") || table == "a map" => "a table".to_string(),
        other => other.to_string(),
    }
}
