//! Data sets of the Hugging Face Hub.

use taper_dataset::{Columns, Dataset};
use taper_pretrained::Models;

use crate::error::RunnerError;

/// Opens the data set `OWNER/NAME[/FOLDER][@REVISION]`; what the cache has not is downloaded.
#[cfg(feature = "hub")]
pub(crate) fn dataset(
    name: &str,
    columns: &Columns,
    models: &Models,
) -> Result<Dataset, RunnerError> {
    use taper_dataset::source::parquet;
    use taper_hub::{Hub, HubDataset, HubError};

    let data = HubDataset::parse(name).map_err(HubError::from)?;
    let (commit, files) = Hub::from_env()?.fetch_data(&data, &mut |event| {
        if let Some(listener) = &models.on_download {
            listener(event);
        }
    })?;
    Ok(parquet::read(&data.at(&commit), files, columns)?)
}

#[cfg(not(feature = "hub"))]
pub(crate) fn dataset(name: &str, _: &Columns, _: &Models) -> Result<Dataset, RunnerError> {
    let name = format!("hub:{name}");
    Err(taper_pretrained::PretrainedError::NoHub { name }.into())
}
