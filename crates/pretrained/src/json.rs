//! Values of the JSON files that checkpoints bring.

use std::path::Path;

use serde_json::Value;
use taper_dataset::Preprocessing;

use crate::error::PretrainedError;

/// Reads a JSON file.
pub(crate) fn read(path: &Path) -> Result<Value, PretrainedError> {
    let bytes = std::fs::read(path).map_err(PretrainedError::io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| PretrainedError::config(path)(e.to_string()))
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

/// Checks what a file could say and nobody could do.
pub(crate) fn checked(image: Preprocessing) -> Result<Preprocessing, String> {
    let channels = image.channels;
    for (name, values) in [("mean", &image.mean), ("std", &image.std)] {
        if values.len() != channels && values.len() != 1 {
            return Err(format!("{name} has {} values for {channels} channels", values.len()));
        }
    }
    match image.shape().iter().find(|&&n| n == 0 || n > 1 << 14) {
        Some(n) => Err(format!("{n} is not a size of an image")),
        None => Ok(image),
    }
}

/// A number for each channel: neither timm nor transformers takes one for all.
pub(crate) fn per_channel(values: &[f64], channels: usize) -> Vec<f64> {
    match values {
        [one] => vec![*one; channels],
        values => values.to_vec(),
    }
}
