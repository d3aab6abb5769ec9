//! In what two recipes differ.

use toml::{Table, Value};

use super::tables::Recipe;
use crate::error::Difference;

/// The keys in which two recipes differ. When checkpoints are written, how many stay, and what is
/// logged, is free: it changes nothing in the result.
pub(crate) fn recipe_differences(before: &Recipe, now: &Recipe) -> Vec<Difference> {
    let table = |recipe: &Recipe| {
        let mut table = Table::try_from(recipe).unwrap_or_default();
        table.remove("taper_version");
        table.remove("checkpoint");
        table.remove("log");
        Value::Table(table)
    };
    differences(&table(before), &table(now))
}

/// The keys in which two tables differ.
pub(crate) fn differences(before: &Value, now: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare("", Some(before), Some(now), &mut differences);
    differences
}

fn compare(key: &str, before: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, now) {
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for name in keys {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare(&key, a.get(name), b.get(name), found);
            }
        }
        (before, now) if before != now => {
            let text = |value: Option<&Value>| value.map_or("unset".to_string(), Value::to_string);
            let what = format!("`{key}`");
            found.push(Difference { what, before: text(before), now: text(now) });
        }
        _ => {}
    }
}
