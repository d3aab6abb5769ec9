//! What a key of the recipe may be in a search.

use serde::{Deserialize, Serialize};
use taper_runner::setting;
use toml::Value;

use crate::error::TuneError;

/// The values that a key may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "{ choices = [1, 2] }, or { low = 1e-4, high = 1e-1, log = true }")]
#[non_exhaustive]
pub enum Range {
    /// One of a list, each as likely: `{ choices = ["adamw", "sgd"] }`.
    Choices(Choices),
    /// From `low` to `high`: `{ low = 1e-4, high = 1e-1, log = true }`. Whole numbers where both ends
    /// are.
    Between(Between),
}

/// One of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// The list.
    pub choices: Vec<Value>,
}

/// From a number to another, both included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The lowest.
    pub low: Value,
    /// The highest.
    pub high: Value,
    /// Evenly by their logarithms. Default false.
    #[serde(default)]
    pub log: bool,
}

impl Range {
    /// Checks that it has values; `key` is for the error.
    pub(super) fn check(&self, key: &str) -> Result<(), TuneError> {
        let wrong = |found: String, expected: &str| {
            Err(setting(format!("space.{key}"), found, expected).into())
        };
        match self {
            Range::Choices(Choices { choices }) if choices.is_empty() => {
                wrong("without choices".to_string(), "one choice or more")
            }
            Range::Choices(_) => Ok(()),
            Range::Between(Between { low, high, log }) => {
                let found = format!("{low} to {high}");
                match (number(low), number(high)) {
                    (Some(low), Some(_)) if *log && low <= 0.0 => {
                        wrong(found, "numbers above 0 for a logarithm")
                    }
                    (Some(low), Some(high)) if low < high => Ok(()),
                    (Some(_), Some(_)) => wrong(found, "low below high"),
                    _ => wrong(found, "numbers"),
                }
            }
        }
    }

    /// The value at a share of the range, from 0 to below 1.
    pub(super) fn at(&self, share: f64) -> Value {
        match self {
            Range::Choices(Choices { choices }) => {
                let place = (share * choices.len() as f64) as usize;
                choices[place.min(choices.len() - 1)].clone()
            }
            Range::Between(Between { low, high, log }) => {
                let whole = matches!((low, high), (Value::Integer(_), Value::Integer(_)));
                let (low, high) = (number(low).unwrap_or(0.0), number(high).unwrap_or(0.0));
                // Each whole number has a unit of the range.
                let (from, to) = if whole && !log { (low, high + 1.0) } else { (low, high) };
                let value = match log {
                    true => (from.ln() + share * (to.ln() - from.ln())).exp(),
                    false => from + share * (to - from),
                };
                match (whole, log) {
                    (true, false) => Value::Integer(value.floor().min(high) as i64),
                    (true, true) => Value::Integer(value.round() as i64),
                    _ => Value::Float(significant(value).clamp(low, high)),
                }
            }
        }
    }
}

/// Three digits that count: what is drawn can be read, and typed again.
fn significant(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

fn number(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        #[derive(Deserialize)]
        struct One {
            range: Range,
        }
        toml::from_str::<One>(&format!("range = {text}")).unwrap().range
    }

    #[test]
    fn whole_numbers_are_drawn_with_both_ends() {
        let range = range("{ low = 2, high = 4 }");
        let drawn = [0.0, 0.3, 0.4, 0.6, 0.7, 0.999].map(|share| range.at(share));
        assert_eq!(drawn, [2, 2, 3, 3, 4, 4].map(Value::Integer));
    }

    #[test]
    fn a_logarithmic_range_has_its_mean_in_the_middle() {
        let range = range("{ low = 1e-4, high = 1.0, log = true }");
        assert_eq!([0.0, 0.5].map(|share| range.at(share)), [1e-4, 1e-2].map(Value::Float));
        let Value::Float(drawn) = range.at(0.123_456) else { panic!("no float") };
        assert_eq!(drawn, 3.12e-4);
    }

    #[test]
    fn every_choice_is_drawn() {
        let range = range("{ choices = [\"a\", 3, true] }");
        let drawn = [0.0, 0.5, 0.99].map(|share| range.at(share));
        assert_eq!(drawn, [Value::from("a"), Value::from(3), Value::from(true)]);
    }
}
