//! What the runner knows by name; a caller adds its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use taper_dataset::{Cached, Columns, Dataset, Preprocessing};
use taper_model::nets::NetInfo;

use crate::error::RunnerError;
use crate::hub;

/// Opens a data set.
pub type OpenDataset = Arc<dyn Fn() -> Result<Dataset, RunnerError> + Send + Sync>;

/// Nets, data sets and weights by name.
///
/// ```
/// use taper_runner::Registry;
///
/// let registry = Registry::new();
/// assert!(registry.net("keras-cnn").is_ok());
/// let error = registry.net("keras").unwrap_err().to_string();
/// assert!(error.starts_with("unknown net `keras`, expected one of: "), "{error}");
/// assert!(error.contains("keras-cnn, lenet5, mlp, resnet101"), "{error}");
/// ```
#[derive(Clone)]
pub struct Registry {
    nets: BTreeMap<String, NetInfo>,
    datasets: BTreeMap<String, OpenDataset>,
    weights: BTreeMap<String, &'static [u8]>,
    shows_downloads: bool,
    shared: Option<Arc<Mutex<Shared>>>,
}

/// What several runs in one process open and decode once.
#[derive(Default)]
struct Shared {
    datasets: BTreeMap<String, Dataset>,
    prepared: BTreeMap<String, Cached>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// The nets of `taper-model`; the embedded data sets are always known.
    pub fn new() -> Self {
        let nets = taper_model::nets::all().iter().map(|net| (net.name.to_string(), *net));
        Self {
            nets: nets.collect(),
            datasets: BTreeMap::new(),
            weights: BTreeMap::new(),
            shows_downloads: false,
            shared: None,
        }
    }

    /// The same registry for several runs: data is opened, decoded and placed once for all of them,
    /// as far as their recipes agree on how.
    pub fn sharing(&self) -> Self {
        let shared = self.shared.clone().unwrap_or_default();
        Self { shared: Some(shared), ..self.clone() }
    }

    /// Adds a net under its own name, or replaces the one that had it.
    pub fn add_net(&mut self, net: NetInfo) {
        self.nets.insert(net.name.to_string(), net);
    }

    /// Adds a data set that `data.source = NAME` opens.
    pub fn add_dataset(
        &mut self,
        name: &str,
        open: impl Fn() -> Result<Dataset, RunnerError> + Send + Sync + 'static,
    ) {
        self.datasets.insert(name.to_string(), Arc::new(open));
    }

    /// Adds the bytes of a safetensors file that `model.weights = NAME` takes.
    pub fn add_weights(&mut self, name: &str, bytes: &'static [u8]) {
        self.weights.insert(name.to_string(), bytes);
    }

    /// Whether the progress of downloads is shown on stderr; it is not unless asked for.
    pub fn show_downloads(&mut self, show: bool) {
        self.shows_downloads = show;
    }

    pub(crate) fn shows_downloads(&self) -> bool {
        self.shows_downloads
    }

    /// A net by name.
    ///
    /// # Errors
    /// No net has the name.
    pub fn net(&self, name: &str) -> Result<&NetInfo, RunnerError> {
        // timm names weights behind a dot; the net is what stands before it.
        let tagged = || self.nets.get(name.split_once('.')?.0);
        self.nets.get(name).or_else(tagged).ok_or_else(|| RunnerError::Unknown {
            what: "net",
            name: name.to_string(),
            known: self.net_names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The nets' names, sorted.
    pub fn net_names(&self) -> impl Iterator<Item = &str> {
        self.nets.keys().map(String::as_str)
    }

    /// Opens a data set: one that was added, an embedded one, one of the Hub
    /// (`hub:OWNER/NAME[/FOLDER][@REVISION]`), or a file or folder.
    ///
    /// # Errors
    /// Nothing has the name, or the data is not what it should be.
    pub fn open_dataset(&self, source: &str) -> Result<Dataset, RunnerError> {
        self.open_dataset_with(source, &Columns::default())
    }

    /// As [`open_dataset`](Self::open_dataset), the columns of a list or a parquet file being named.
    ///
    /// # Errors
    /// As [`open_dataset`](Self::open_dataset).
    pub fn open_dataset_with(
        &self,
        source: &str,
        columns: &Columns,
    ) -> Result<Dataset, RunnerError> {
        match (self.datasets.get(source), source.strip_prefix("hub:")) {
            (Some(open), _) => open(),
            (None, Some(name)) => hub::dataset(name, columns, self.shows_downloads),
            (None, None) => Ok(taper_dataset::open_with(source, columns)?),
        }
    }

    /// A data set, opened once if it is shared.
    pub(crate) fn dataset(&self, source: &str, columns: &Columns) -> Result<Dataset, RunnerError> {
        let Some(shared) = &self.shared else { return self.open_dataset_with(source, columns) };
        let key = format!("{source} {columns:?}");
        if let Some(dataset) = locked(shared).datasets.get(&key) {
            return Ok(dataset.clone());
        }
        let dataset = self.open_dataset_with(source, columns)?;
        locked(shared).datasets.insert(key, dataset.clone());
        Ok(dataset)
    }

    /// Decoded and placed images, kept if they are shared. Normalization comes later, and is each
    /// run's own.
    pub(crate) fn prepared(
        &self,
        what: &str,
        preprocessing: &Preprocessing,
        prepare: impl FnOnce() -> taper_dataset::Result<Cached>,
    ) -> Result<Cached, RunnerError> {
        let Some(shared) = &self.shared else { return Ok(prepare()?) };
        let resized = Preprocessing { mean: Vec::new(), std: Vec::new(), ..preprocessing.clone() };
        let key = format!("{what}: {resized:?}");
        let kept = locked(shared).prepared.get(&key).cloned();
        let mut cached = match kept {
            Some(cached) => cached,
            None => {
                let cached = prepare()?;
                locked(shared).prepared.insert(key, cached.clone());
                cached
            }
        };
        cached.preprocessing.mean.clone_from(&preprocessing.mean);
        cached.preprocessing.std.clone_from(&preprocessing.std);
        Ok(cached)
    }

    /// The names of the weights, sorted.
    pub fn weights_names(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }

    /// The bytes of weights by name.
    pub fn weights(&self, name: &str) -> Option<&'static [u8]> {
        self.weights.get(name).copied()
    }
}

/// What is kept is put in whole: a panic elsewhere leaves nothing half done.
fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
