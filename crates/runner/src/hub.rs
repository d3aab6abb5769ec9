//! Data sets of the Hugging Face Hub.

use taper_dataset::{Columns, Dataset};
use taper_pretrained::Models;

#[cfg(feature = "hub")]
use crate::error::DataError;
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

    let data = HubDataset::parse(name).map_err(|error| DataError::from(HubError::from(error)))?;
    let mut notify = |event: taper_hub::DownloadEvent<'_>| {
        if let Some(listener) = &models.on_download {
            listener(event);
        }
    };
    let hub = Hub::from_env().map_err(DataError::from)?;
    let (commit, files) = hub.fetch_data(&data, &mut notify).map_err(DataError::from)?;
    Ok(parquet::read(&data.at(&commit), files, columns)?)
}

#[cfg(not(feature = "hub"))]
pub(crate) fn dataset(name: &str, _: &Columns, _: &Models) -> Result<Dataset, RunnerError> {
    let name = format!("hub:{name}");
    Err(taper_pretrained::PretrainedError::NoHub { name }.into())
}
