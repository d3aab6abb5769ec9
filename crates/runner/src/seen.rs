//! Which data sets weights have seen already, so that nothing is judged on what it was trained on.

use taper_model::weights::TensorFile;

use crate::error::RunnerError;

/// The key of a model file's metadata under which the names of the data sets stand.
pub(crate) const KEY: &str = "seen_data";

/// The data sets that a file's weights were trained on, as far as the file says.
pub(crate) fn of(file: &TensorFile) -> Result<Vec<String>, RunnerError> {
    let seen = file.metadata()?.remove(KEY);
    let names = seen.as_ref().and_then(|value| value.as_array());
    let names = names.into_iter().flatten().filter_map(|name| name.as_str().map(String::from));
    Ok(names.collect())
}

/// Refuses data that the weights have seen.
pub(crate) fn check(seen: &[String], data: &str) -> Result<(), RunnerError> {
    match seen.iter().any(|name| name == data) {
        true => Err(RunnerError::SeenData { data: data.to_string() }),
        false => Ok(()),
    }
}
