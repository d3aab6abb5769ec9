//! Values of the JSON files that checkpoints bring.

use std::path::Path;

use serde_json::Value;
use taper_dataset::Preprocessing;
use taper_untrusted::checksums;
use taper_untrusted::json;

use crate::error::PretrainedError;

/// Reads a JSON file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Value, PretrainedError> {
    let bytes = checksums::read(path, limit).map_err(PretrainedError::io(path))?;
    json::value(&bytes).map_err(|e| PretrainedError::config(path)(e.to_string()))
}

/// The names of classes from a list, or from an object of id to name without gaps.
pub(crate) fn label_names(value: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = || "the names of its classes are not a list of names".to_string();
    let text = |value: &Value| value.as_str().map(String::from).ok_or_else(wrong);
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(Value::Object(names)) => {
            let mut sorted = Vec::new();
            for (id, name) in names {
                sorted.push((id.parse::<usize>().map_err(|_| wrong())?, text(name)?));
            }
            sorted.sort();
            match sorted.iter().enumerate().all(|(place, (id, _))| place == *id) {
                true => Ok(sorted.into_iter().map(|(_, name)| name).collect()),
                false => Err("the ids of its classes have gaps".to_string()),
            }
        }
        Some(_) => Err(wrong()),
    }
}

/// A list of numbers.
pub(crate) fn numbers(value: &Value, name: &str) -> Result<Vec<f64>, String> {
    let numbers = value.as_array().map(|list| list.iter().map(Value::as_f64).collect());
    numbers.flatten().ok_or_else(|| format!("{name} is {value}, expected a list of numbers"))
}

/// A count.
pub(crate) fn count(value: &Value, name: &str) -> Result<usize, String> {
    let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
    count.ok_or_else(|| format!("{name} is {value}, expected a count"))
}

/// A number of classes, which lists are made of: no more than anybody has.
pub(crate) fn class_count(value: &Value, name: &str) -> Result<usize, String> {
    match count(value, name)? {
        classes if classes <= MOST_CLASSES => Ok(classes),
        classes => Err(format!("{name} is {classes}, expected at most {MOST_CLASSES}")),
    }
}

/// A height or width of images.
pub(crate) fn side(value: &Value, name: &str) -> Result<usize, String> {
    match count(value, name)? {
        side if side <= MOST_PIXELS => Ok(side),
        side => Err(format!("{name} is {side}, expected at most {MOST_PIXELS} pixels")),
    }
}

/// Classes that a configuration may tell of.
const MOST_CLASSES: usize = 1 << 20;

/// Bytes of the names of all classes, as JSON has them: a configuration with them can be read again, be it timm's,
/// transformers' or the one that weights carry.
const MOST_NAMES: usize = 8 << 20;

/// Classes that no configuration could tell of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {found}, expected at most {most}")]
pub struct BadClasses {
    what: &'static str,
    found: usize,
    most: usize,
}

/// Checks the names of a model's classes, before it is trained: a model with more, or longer ones, could not be opened.
///
/// # Errors
/// There are too many, or they are too long.
pub fn check_classes(names: &[String]) -> Result<(), BadClasses> {
    let written = |name: &String| Value::from(name.as_str()).to_string().len();
    let bytes = names.iter().map(written).sum();
    for (what, found, most) in [
        ("the number of its classes is", names.len(), MOST_CLASSES),
        ("the bytes of the names of its classes are", bytes, MOST_NAMES),
    ] {
        if found > most {
            return Err(BadClasses { what, found, most });
        }
    }
    Ok(())
}

/// Pixels of a side of the images that a configuration may tell of; a net's memory grows with their square.
const MOST_PIXELS: usize = 1 << 12;

/// Channels likewise.
const MOST_CHANNELS: usize = 1 << 8;

/// Values of a mean or deviation that are no mistake, whatever the scale of the pixels.
const MOST: f64 = 1e6;

/// A number of a preparation of images that nobody could work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}, expected {expected}")]
pub struct BadPreprocessing {
    /// What it is called: `channels`, `height`, `width`, `mean` or `std`.
    pub key: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: String,
}

/// Checks what a file or a recipe could say and nobody could do: a model with it could not be opened.
///
/// # Errors
/// The first number out of its bounds.
pub fn check_preprocessing(image: &Preprocessing) -> Result<(), BadPreprocessing> {
    let [channels, height, width] = image.shape();
    let sizes = [
        ("channels", channels, MOST_CHANNELS),
        ("height", height, MOST_PIXELS),
        ("width", width, MOST_PIXELS),
    ];
    for (key, found, most) in sizes {
        if found == 0 || found > most {
            let (found, expected) = (found.to_string(), format!("1 to {most}"));
            return Err(BadPreprocessing { key, found, expected });
        }
    }
    for (key, values, least) in [("mean", &image.mean, -MOST), ("std", &image.std, 1.0 / MOST)] {
        if values.len() != channels && values.len() != 1 {
            let found = format!("a list of {}", values.len());
            let expected = format!("one number, or one for each of {channels} channels");
            return Err(BadPreprocessing { key, found, expected });
        }
        if let Some(value) = values.iter().find(|value| !(least..=MOST).contains(*value)) {
            let (found, expected) = (value.to_string(), format!("a number from {least} to {MOST}"));
            return Err(BadPreprocessing { key, found, expected });
        }
    }
    Ok(())
}

/// A number for each channel: neither timm nor transformers takes one for all.
pub(crate) fn per_channel(values: &[f64], channels: usize) -> Vec<f64> {
    match values {
        [one] => vec![*one; channels],
        values => values.to_vec(),
    }
}
