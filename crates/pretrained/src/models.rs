//! The nets and weights that are known by name; a caller adds its own.

use std::collections::BTreeMap;
#[cfg(feature = "hub")]
use std::sync::Arc;

use taper_dataset::Preprocessing;
#[cfg(feature = "hub")]
use taper_hub::DownloadEvent;
use taper_model::nets::NetInfo;

use crate::error::PretrainedError;
use crate::usual::usual_preprocessing;

/// Somebody who is told of downloads.
#[cfg(feature = "hub")]
pub type OnDownload = Arc<dyn Fn(DownloadEvent<'_>) + Send + Sync>;

/// Nets and weights by name.
///
/// ```
/// use taper_pretrained::Models;
///
/// let models = Models::new();
/// assert!(models.net("keras-cnn").is_ok());
/// let error = models.net("keras").unwrap_err().to_string();
/// assert!(error.starts_with("unknown net `keras`, expected one of: "), "{error}");
/// assert!(error.contains("keras-cnn, lenet5, mlp, mobilenetv2_100"), "{error}");
/// assert_eq!(models.preprocessing["resnet18"].mean, [0.485, 0.456, 0.406]);
/// assert!(!models.preprocessing.contains_key("keras-cnn"));
/// ```
#[derive(Clone)]
pub struct Models {
    nets: BTreeMap<String, NetInfo>,
    weights: BTreeMap<String, &'static [u8]>,
    /// How images are usually prepared for a net, by the net's name, where a checkpoint does not say it;
    /// a height, width or channels of 0 are the net's. A net that is not in it is one for handwritten
    /// digits.
    pub preprocessing: BTreeMap<String, Preprocessing>,
    /// Who is told of downloads; nobody by default.
    #[cfg(feature = "hub")]
    pub on_download: Option<OnDownload>,
}

impl Default for Models {
    fn default() -> Self {
        Self::new()
    }
}

impl Models {
    /// The nets of `taper-model`, and no weights.
    pub fn new() -> Self {
        let nets = taper_model::nets::all().iter();
        let usual = |net: &NetInfo| Some((net.name.to_string(), usual_preprocessing(net)?));
        Self {
            preprocessing: nets.clone().filter_map(usual).collect(),
            nets: nets.map(|net| (net.name.to_string(), net.clone())).collect(),
            weights: BTreeMap::new(),
            #[cfg(feature = "hub")]
            on_download: None,
        }
    }

    /// Adds a net under its own name, or replaces the one that had it; what it says of images goes into
    /// [`preprocessing`](Self::preprocessing).
    pub fn add_net(&mut self, net: NetInfo) {
        if let Some(usual) = usual_preprocessing(&net) {
            self.preprocessing.insert(net.name.to_string(), usual);
        }
        self.nets.insert(net.name.to_string(), net);
    }

    /// Adds the bytes of a safetensors file under a name.
    pub fn add_weights(&mut self, name: &str, bytes: &'static [u8]) {
        self.weights.insert(name.to_string(), bytes);
    }

    /// A net by name.
    ///
    /// # Errors
    /// No net has the name.
    pub fn net(&self, name: &str) -> Result<&NetInfo, PretrainedError> {
        // timm names weights behind a dot; the net is what stands before it.
        let tagged = || self.nets.get(name.split_once('.')?.0);
        self.nets.get(name).or_else(tagged).ok_or_else(|| PretrainedError::Unknown {
            what: "net",
            name: name.to_string(),
            known: self.net_names().map(String::from).collect(),
        })
    }

    /// The nets, sorted by name.
    pub fn nets(&self) -> impl Iterator<Item = &NetInfo> {
        self.nets.values()
    }

    /// The nets' names, sorted.
    pub fn net_names(&self) -> impl Iterator<Item = &str> {
        self.nets.keys().map(String::as_str)
    }

    /// The bytes of weights by name.
    pub fn weights(&self, name: &str) -> Option<&'static [u8]> {
        self.weights.get(name).copied()
    }

    /// The names of the weights, sorted.
    pub(crate) fn weights_names(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }
}
