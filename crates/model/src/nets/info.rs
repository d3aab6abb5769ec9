//! What there is to know of a net, as data.

use std::fmt;
use std::sync::Arc;

use candle_core::Result;

use super::net::Net;
use crate::builder::ParamBuilder;
use crate::rng::RngKey;
use crate::weights::{Flatten, KeyMap, Layout, PositionGrid, WeightsConfig};

/// What a net is built for: the size of its images, and how many classes it tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NetConfig {
    /// The number of classes.
    pub num_classes: usize,
    /// The images' channels.
    pub channels: usize,
    /// The images' height in pixels.
    pub height: usize,
    /// The images' width in pixels.
    pub width: usize,
}

/// How large a net is, as it is usually built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NetSize {
    /// Elements of its parameters, buffers left out.
    pub parameters: usize,
    /// Multiply-adds of one image's forward pass, counted as in
    /// [`Totals`](crate::summary::Totals).
    pub multiply_adds: usize,
}

/// The patches of a vision transformer whose position embeddings are `pos_embed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// The side of a patch, in pixels.
    pub size: usize,
    /// How many positions stand before those of the patches: 1 for the class token's.
    pub prefix: usize,
    /// How position embeddings are resampled for images of another size, see
    /// [`PositionGrid::antialias`](crate::weights::PositionGrid::antialias).
    pub antialias: bool,
}

/// How images are prepared for a net's published weights, for where a checkpoint is silent: resized, cut,
/// scaled to 0..1 and normalized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsualImages {
    /// What is subtracted from each channel.
    pub mean: [f64; 3],
    /// What each channel is then divided by.
    pub std: [f64; 3],
    /// How they are resized: bicubic, or else bilinear.
    pub bicubic: bool,
    /// The share of the resized image that is cut out of its centre; `None` where it is stretched to the
    /// net's size.
    pub crop: Option<f64>,
}

impl UsualImages {
    /// The mean and deviation of ImageNet's channels, bicubic, a crop of 0.875.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        bicubic: true,
        crop: Some(0.875),
    };

    /// The same with a mean and deviation of a half: pixels from -1 to 1.
    pub const HALF: Self = Self { mean: [0.5; 3], std: [0.5; 3], ..Self::IMAGENET };
}

/// The rates that a net is usually fine-tuned at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A small net for small images.
    Small,
    /// A convolutional net pretrained on ImageNet.
    Convolutional,
    /// A vision transformer.
    Transformer,
}

/// Weights that somebody published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// The repository of the Hugging Face Hub, `OWNER/NAME`.
    pub hub: &'static str,
    /// Their licence, by its id on the Hub.
    pub license: &'static str,
    /// The share of ImageNet's validation images whose class is the likeliest one, in percent, as it was published;
    /// `None` for weights without a head.
    pub top1: Option<f64>,
}

impl Published {
    /// Weights under the Apache licence.
    pub(crate) const fn new(hub: &'static str, top1: f64) -> Option<Self> {
        Some(Self { hub, license: "apache-2.0", top1: Some(top1) })
    }
}

/// An architecture: how to build it and what loading a checkpoint needs to know.
///
/// [`NetInfo::new`] fills in what a net of one's own has no need for:
///
/// ```
/// use taper_model::layers::{Flatten, Linear, LinearConfig, Sequential};
/// use taper_model::nets::{Net, NetInfo};
///
/// let logistic = NetInfo {
///     default_input: (1, 28, 28),
///     num_classes: 10,
///     head: "linear",
///     ..NetInfo::new("logistic", |config, vb, _key| {
///         let inputs = config.channels * config.height * config.width;
///         let linear = LinearConfig::default();
///         let linear = Linear::new(inputs, config.num_classes, linear, vb.pp("linear"))?;
///         let body = Sequential::new().add(Flatten);
///         Ok(Net { body, head: Sequential::new().add(linear) })
///     })
/// };
/// assert_eq!(logistic.config().num_classes, 10);
/// ```
#[derive(Clone)]
pub struct NetInfo {
    /// Its name, by which recipes choose it; that of timm, where timm has it.
    pub name: &'static str,
    /// One line that says what it is.
    pub description: &'static str,
    /// The (channels, height, width) that it is usually built for.
    pub default_input: (usize, usize, usize),
    /// The number of classes that it is usually built for.
    pub num_classes: usize,
    /// The prefix of the layer that takes the image: it changes with the images' channels.
    pub stem: &'static str,
    /// The prefix of the layer that gives the logits: it changes with the number of classes.
    pub head: &'static str,
    /// The names that its parameters have in other programs' checkpoints, each with a name to choose
    /// it by, such as `keras`.
    pub key_maps: Vec<(&'static str, KeyMap)>,
    /// From its names to transformers', as [`weights::export`](crate::weights::export()) reads it, for
    /// a net that timm has not as it is; `None` for others.
    pub export: Option<KeyMap>,
    /// The weight of the dense layer behind the flatten, and what is flattened, as
    /// [`WeightsConfig::flatten`](crate::weights::WeightsConfig::flatten) takes them; `None` if
    /// there is none.
    ///
    /// Keras flattens row, column, channel, PyTorch and this crate channel, row, column: with
    /// [`Layout::Keras`](crate::weights::Layout::Keras), the rows of that kernel are permuted.
    pub flatten: fn(&NetConfig) -> Option<(&'static str, Flatten)>,
    /// How a vision transformer cuts images into patches; `None` for other nets.
    pub patches: Option<Patches>,
    /// Its parameters in stages from the image to the logits, each a list of patterns: the stem,
    /// each block, the head.
    ///
    /// What fine-tuning unfreezes from the end, or gives its own learning rate, is a number of
    /// these. Every parameter is in exactly one, and each pattern matches one at least, so that
    /// they can be frozen by ([`WeightsConfig::freeze`](crate::weights::WeightsConfig::freeze)).
    /// Empty if no stages are known.
    ///
    /// ```
    /// let info = taper_model::nets::find("resnet18").expect("it is one of ours");
    /// assert_eq!(info.stages.len(), 10);
    /// assert_eq!(info.stages[0], ["conv1.*", "bn1.*"]);
    /// assert_eq!(info.stages[1], ["layer1.0.*"]);
    /// assert_eq!(info.stages[9], ["fc.*"]);
    /// ```
    pub stages: Vec<Vec<String>>,
    /// The layers that low-rank adapters are put beside unless others are named, as
    /// [`LoraConfig::targets`](crate::lora::LoraConfig::targets) names them.
    pub lora: &'static [&'static str],
    /// What its rates follow where a recipe does not say.
    pub family: Family,
    /// How large it is; `None` if nobody counted.
    pub size: Option<NetSize>,
    /// How images are prepared for its published weights; `None` for a net without, such as those for
    /// handwritten digits.
    pub images: Option<UsualImages>,
    /// Pretrained weights on the Hugging Face Hub to start from.
    pub published: Option<Published>,
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images too small for it; those of the builder.
    pub build: BuildNet,
}

/// Builds a net for a configuration from a builder of its parameters and a source of randomness.
pub type BuildNet = Arc<dyn Fn(&NetConfig, ParamBuilder<'_>, &RngKey) -> Result<Net> + Send + Sync>;

impl NetInfo {
    /// A net by name, with no more known about it: for images of (3, 224, 224) and 1000 classes,
    /// without key maps, stages, stem and head.
    pub fn new(
        name: &'static str,
        build: impl Fn(&NetConfig, ParamBuilder<'_>, &RngKey) -> Result<Net> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            description: "",
            default_input: (3, 224, 224),
            num_classes: 1000,
            stem: "",
            head: "",
            key_maps: Vec::new(),
            export: None,
            flatten: |_| None,
            patches: None,
            stages: Vec::new(),
            lora: &["*"],
            family: Family::Small,
            size: None,
            images: None,
            published: None,
            build: Arc::new(build),
        }
    }

    /// What it is usually built for.
    pub fn config(&self) -> NetConfig {
        let (channels, height, width) = self.default_input;
        NetConfig { num_classes: self.num_classes, channels, height, width }
    }

    /// The key map called `name`, such as `transformers`.
    pub fn key_map(&self, name: &str) -> Option<KeyMap> {
        self.key_maps.iter().find(|(known, _)| *known == name).map(|(_, map)| map.clone())
    }

    /// How its weights are loaded: its head, its stem, its grid of patches, and for the layout
    /// [`Keras`](Layout::Keras) its key map `keras` and its flatten.
    ///
    /// The rest is as by default; set the source, the seed and what may be missing.
    pub fn weights_config(&self, config: &NetConfig, layout: Layout) -> WeightsConfig {
        let key_map = match layout {
            Layout::PyTorch => KeyMap::default(),
            Layout::Keras => self.key_map("keras").unwrap_or_default(),
        };
        let flatten = (self.flatten)(config).map(|(name, flatten)| (name.to_string(), flatten));
        WeightsConfig {
            key_map,
            layout,
            flatten: Some(flatten.into_iter().collect()),
            head: prefix(self.head),
            stem: prefix(self.stem),
            positions: self.patches.map(|patches| PositionGrid {
                name: "pos_embed".to_string(),
                prefix: patches.prefix,
                height: config.height / patches.size,
                width: config.width / patches.size,
                from: None,
                antialias: patches.antialias,
            }),
            ..WeightsConfig::default()
        }
    }
}

/// None for a net that names none: an empty prefix would stand for every layer.
fn prefix(name: &str) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { vec![name.to_string()] }
}

impl fmt::Debug for NetInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetInfo").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Stages of one pattern each.
pub(super) fn one_by_one(patterns: &[&str]) -> Vec<Vec<String>> {
    patterns.iter().map(|pattern| vec![pattern.to_string()]).collect()
}
