//! What `hub:…` names: weights and data sets of the Hugging Face Hub, with a bar for downloads.

#[cfg(feature = "hub")]
mod with {
    use std::path::PathBuf;

    use taper_dataset::source::parquet;
    use taper_dataset::{Columns, Dataset};
    use taper_hub::{Hub, HubDataset, HubError, HubId};

    use crate::error::RunnerError;
    use crate::observe::download::DownloadBar;

    /// The name with its commit, and the folder with the files of a model.
    pub(crate) fn model(id: &str, progress: bool) -> Result<(String, PathBuf), RunnerError> {
        let id = HubId::parse(id).map_err(HubError::from)?;
        let mut bar = DownloadBar::new(progress);
        let fetched = Hub::from_env()?.fetch(&id, &mut |event| bar.notify(event))?;
        Ok((id.at(&fetched.commit).to_string(), fetched.folder))
    }

    /// A data set, opened.
    pub(crate) fn dataset(
        name: &str,
        columns: &Columns,
        progress: bool,
    ) -> Result<Dataset, RunnerError> {
        let data = HubDataset::parse(name).map_err(HubError::from)?;
        let mut bar = DownloadBar::new(progress);
        let (commit, files) = Hub::from_env()?.fetch_data(&data, &mut |event| bar.notify(event))?;
        Ok(parquet::read(&data.at(&commit), files, columns)?)
    }
}

#[cfg(not(feature = "hub"))]
mod without {
    use std::path::PathBuf;

    use taper_dataset::{Columns, Dataset};

    use crate::error::RunnerError;

    pub(crate) fn model(id: &str, _: bool) -> Result<(String, PathBuf), RunnerError> {
        Err(RunnerError::NoHub { name: format!("hub:{id}") })
    }

    pub(crate) fn dataset(name: &str, _: &Columns, _: bool) -> Result<Dataset, RunnerError> {
        Err(RunnerError::NoHub { name: format!("hub:{name}") })
    }
}

#[cfg(feature = "hub")]
pub(crate) use with::{dataset, model};
#[cfg(not(feature = "hub"))]
pub(crate) use without::{dataset, model};
