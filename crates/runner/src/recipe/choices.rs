//! What is chosen by name and brings settings of its own, as data: update rules, schedules, averages; and the
//! settings of a group of parameters.
//!
//! The rules and schedules are those of the optimizer's crate, as the registry takes them in; settings are what serde's
//! errors say, so that no list here can fall behind the types.

use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_optimizer::{
    AverageConfig, ParamGroup, Rule, ScheduleKind, TakeRule, TakeSchedule, presets, schedules,
};
use toml::{Table, Value};

use super::keys::{self, Key};

/// A name that a key takes, with the settings that it brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The key's table, such as `schedule.kind`.
    pub table: &'static str,
    /// The name, such as `cosine`; empty for a table of one kind.
    pub name: String,
    /// Its settings with their defaults; one without a default has to be given, unless its text says what happens
    /// without it.
    pub settings: Vec<Key>,
}

/// All choices, table by table.
///
/// ```
/// let cosine = taper_runner::choices().iter().find(|choice| choice.name == "cosine").unwrap();
/// assert_eq!(cosine.settings[0].name, "schedule.kind.final_scale");
/// ```
pub fn choices() -> &'static [Choice] {
    static ALL: LazyLock<Vec<Choice>> = LazyLock::new(|| {
        let mut listed = Listed::default();
        schedules(&mut listed);
        presets(&mut listed);
        let averages = by_name::<AverageConfig>("average");
        [listed.0, averages, vec![choice::<ParamGroup>("groups", "", false)]].concat()
    });
    &ALL
}

/// The choices of rules and schedules, as they are taken in.
#[derive(Default)]
struct Listed(Vec<Choice>);

impl TakeSchedule for Listed {
    fn take<S: ScheduleKind + Serialize + DeserializeOwned + 'static>(&mut self, name: &str) {
        self.0.push(choice::<S>("schedule.kind", name, false));
    }
}

/// A rule under its own name; others are that rule with other defaults.
impl TakeRule for Listed {
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
        if name == rule.name() {
            self.0.push(choice::<R>("optimizer", name, false));
        }
    }
}

/// The settings of a table's choices, each once, saying which choices have it.
pub(super) fn settings_of(table: &str) -> Vec<Key> {
    let mut found: Vec<(Key, Vec<&str>)> = Vec::new();
    for choice in choices().iter().filter(|choice| {
        choice.table == table
            || choice.table.strip_prefix(table).is_some_and(|s| s.starts_with('.'))
    }) {
        for key in &choice.settings {
            match found.iter_mut().find(|(known, _)| known.name == key.name) {
                Some((_, names)) => names.push(&choice.name),
                None => found.push((key.clone(), vec![&choice.name])),
            }
        }
    }
    let told = found.into_iter().map(|(key, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let doc = match table {
            "groups" => format!("Of each group: {}", key.doc),
            _ => format!("Of {}: {}", names.join(", "), key.doc),
        };
        Key { doc, default: None, ..key }
    });
    told.collect()
}

fn by_name<T: Serialize + DeserializeOwned>(table: &'static str) -> Vec<Choice> {
    let nameless = Table::from_iter([("name".to_string(), Value::from("?"))]);
    let names = expected(&error_of::<T>(nameless)).into_iter();
    names.map(|name| choice::<T>(table, &name, true)).collect()
}

/// The settings of a type, to which `tagged` says whether the name belongs.
fn choice<T>(table: &'static str, name: &str, tagged: bool) -> Choice
where
    T: Serialize + DeserializeOwned,
{
    let mut given = Table::new();
    if tagged {
        given.insert("name".to_string(), name.into());
    }
    let mut odd = given.clone();
    odd.insert("?".to_string(), 1.into());
    let fields = expected(&error_of::<T>(odd));
    // What has no default is asked for, one setting at a time.
    let mut required = Vec::new();
    let written = loop {
        match Value::Table(given.clone()).try_into::<T>() {
            Ok(value) => break Table::try_from(value).unwrap_or_default(),
            Err(error) => {
                let missing = quoted(error.message());
                let Some(missing) = missing.into_iter().find(|name| !required.contains(name))
                else {
                    break Table::new();
                };
                let dummy = match missing.as_str() {
                    "name" => "x".into(),
                    "patterns" => Value::Array(Vec::new()),
                    _ => 1.into(),
                };
                given.insert(missing.clone(), dummy);
                required.push(missing);
            }
        }
    };
    let settings = fields.into_iter().map(|field| Key {
        name: format!("{table}.{field}"),
        doc: keys::documented(table, &field).to_string(),
        default: written.get(&field).filter(|_| !required.contains(&field)).cloned(),
    });
    Choice { table, name: name.to_string(), settings: settings.collect() }
}

fn error_of<T: DeserializeOwned>(table: Table) -> String {
    Value::Table(table).try_into::<T>().err().map_or(String::new(), |e| e.message().to_string())
}

/// The names that serde's error says it expected.
fn expected(error: &str) -> Vec<String> {
    error.split_once("expected").map_or(Vec::new(), |(_, names)| quoted(names))
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &str, name: &str) -> Vec<(String, Option<Value>)> {
        let found = choices().iter().find(|choice| choice.table == table && choice.name == name);
        let settings = &found.unwrap_or_else(|| panic!("{table} {name}")).settings;
        let short = |key: &Key| key.name[table.len() + 1..].to_string();
        settings.iter().map(|key| (short(key), key.default.clone())).collect()
    }

    #[test]
    fn every_setting_of_every_choice_is_there_and_explained() {
        let names = |table| {
            let of_table = choices().iter().filter(move |choice| choice.table == table);
            of_table.map(|choice| choice.name.as_str()).collect::<Vec<_>>()
        };
        let schedules = ["constant", "linear", "step", "exponential", "cosine", "one-cycle"];
        assert_eq!(names("schedule.kind"), schedules);
        let rules = ["sgd", "adadelta", "adagrad", "rmsprop", "adam", "adamw"];
        assert_eq!(names("optimizer"), rules);
        assert_eq!(names("average"), ["none", "ema", "swa"]);
        for key in choices().iter().flat_map(|choice| &choice.settings) {
            assert!(key.doc.len() >= 15, "{} is not explained: {:?}", key.name, key.doc);
        }
    }

    #[test]
    fn a_setting_without_a_default_has_none_and_one_that_may_be_left_out_is_told() {
        assert_eq!(of("schedule.kind", "constant"), []);
        assert_eq!(of("schedule.kind", "step"), [("every".into(), None), ("factor".into(), None)]);
        assert!(of("schedule.kind", "one-cycle").contains(&("momentum".into(), None)));
        assert!(of("optimizer", "sgd").contains(&("momentum".into(), Some(0.0.into()))));
        assert!(of("groups", "").contains(&("learning_rate_scale".into(), Some(1.0.into()))));
        assert!(of("groups", "").contains(&("patterns".into(), None)));
    }
}
