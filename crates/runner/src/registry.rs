//! What the runner knows by name; a caller adds its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use taper_dataset::source::NAMED;
use taper_dataset::{Cached, Columns, Dataset, Preprocessing};
use taper_pretrained::Models;

use crate::error::RunnerError;
use crate::hub;

/// Opens a data set.
type OpenDataset = Arc<dyn Fn() -> Result<Dataset, RunnerError> + Send + Sync>;

/// Nets, data sets and weights by name.
#[derive(Clone, Default)]
pub struct Registry {
    /// The nets and weights.
    pub models: Models,
    /// Whether a bar on a terminal shows how far decoding is; default no.
    pub shows_decoding: bool,
    datasets: BTreeMap<String, OpenDataset>,
    shared: Option<Arc<Mutex<Shared>>>,
}

/// What several runs in one process open and decode once.
#[derive(Default)]
struct Shared {
    datasets: BTreeMap<String, Dataset>,
    /// With the items that are kept of each.
    prepared: BTreeMap<String, (Vec<usize>, Cached)>,
}

impl Registry {
    /// The nets of `taper-model`; the embedded data sets are always known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry for several runs: data is opened, decoded and placed once for all of them,
    /// as far as their recipes agree on how.
    pub fn sharing(&self) -> Self {
        let shared = self.shared.clone().unwrap_or_default();
        Self { shared: Some(shared), ..self.clone() }
    }

    /// Adds a data set that `data.source = NAME` opens.
    pub fn add_dataset(
        &mut self,
        name: &str,
        open: impl Fn() -> Result<Dataset, RunnerError> + Send + Sync + 'static,
    ) {
        self.datasets.insert(name.to_string(), Arc::new(open));
    }

    /// Whether the progress of downloads is shown on stderr; it is not unless asked for.
    #[cfg(feature = "hub")]
    pub fn show_downloads(&mut self, show: bool) {
        self.models.on_download = show.then(crate::observe::download_bar);
    }

    /// Whether the progress of downloads is shown on stderr; this build has none.
    #[cfg(not(feature = "hub"))]
    pub fn show_downloads(&mut self, _: bool) {}

    /// Opens a data set: one that was added, an embedded one, one of the Hub
    /// (`hub:OWNER/NAME[/FOLDER][@REVISION]`), or a file or folder.
    ///
    /// # Errors
    /// Nothing has the name, or the data is not what it should be.
    fn open_dataset(&self, source: &str, columns: &Columns) -> Result<Dataset, RunnerError> {
        match (self.datasets.get(source), source.strip_prefix("hub:")) {
            (Some(open), _) => open(),
            (None, Some(name)) => hub::dataset(name, columns, &self.models),
            (None, None) => Ok(taper_dataset::open_with(source, columns)?),
        }
    }

    /// The file or folder that data lies in, from the root of the file system; none of data by name.
    pub(crate) fn path_of(&self, source: &str) -> Option<PathBuf> {
        let is_name = self.datasets.contains_key(source)
            || source.starts_with("hub:")
            || ["digits", "mnist-sample"].contains(&source)
            || NAMED.iter().any(|named| named.name == source);
        (!is_name).then(|| std::fs::canonicalize(source).ok()).flatten()
    }

    /// A data set, opened once if it is shared.
    pub(crate) fn dataset(&self, source: &str, columns: &Columns) -> Result<Dataset, RunnerError> {
        let Some(shared) = &self.shared else { return self.open_dataset(source, columns) };
        let key = format!("{source} {columns:?}");
        if let Some(dataset) = locked(shared).datasets.get(&key) {
            return Ok(dataset.clone());
        }
        let dataset = self.open_dataset(source, columns)?;
        locked(shared).datasets.insert(key, dataset.clone());
        Ok(dataset)
    }

    /// Decoded and placed images of some items, kept if they are shared. Normalization comes later, and is
    /// each run's own.
    pub(crate) fn prepared(
        &self,
        what: &str,
        items: &[usize],
        preprocessing: &Preprocessing,
        prepare: impl FnOnce() -> taper_dataset::Result<Cached>,
    ) -> Result<Cached, RunnerError> {
        let Some(shared) = &self.shared else { return Ok(prepare()?) };
        let resized = Preprocessing { mean: Vec::new(), std: Vec::new(), ..preprocessing.clone() };
        let key = format!("{what}: {resized:?}");
        let kept = locked(shared).prepared.get(&key).cloned();
        let mut cached = match kept {
            Some((same, cached)) if same == items => cached,
            _ => {
                let cached = prepare()?;
                locked(shared).prepared.insert(key, (items.to_vec(), cached.clone()));
                cached
            }
        };
        cached.preprocessing.mean.clone_from(&preprocessing.mean);
        cached.preprocessing.std.clone_from(&preprocessing.std);
        Ok(cached)
    }
}

/// What is kept is put in whole: a panic elsewhere leaves nothing half done.
fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
