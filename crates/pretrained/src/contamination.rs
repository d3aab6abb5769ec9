//! Which data sets weights were trained on, so that nothing is judged on what it was trained on.

use taper_model::weights::{TensorFile, WeightsError};

/// The key of a model file's metadata under which the names of the data sets stand.
pub const TRAINED_ON: &str = "seen_data";

/// The data sets that a file's weights were trained on, as far as the file says.
///
/// # Errors
/// The file's metadata is not what [`save`](taper_model::weights::save()) writes.
pub fn trained_on(file: &TensorFile) -> Result<Vec<String>, WeightsError> {
    let names = file.metadata()?.remove(TRAINED_ON);
    let names = names.as_ref().and_then(|value| value.as_array());
    let names = names.into_iter().flatten().filter_map(|name| name.as_str().map(String::from));
    Ok(names.collect())
}
