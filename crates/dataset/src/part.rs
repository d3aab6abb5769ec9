//! Some items of a source, with how they become a net's input.

use std::sync::Arc;

use crate::augment::{Augmentation, Policy};
use crate::batch::Batch;
use crate::describe::Normalization;
use crate::error::Result;
use crate::loader::{Loader, LoaderConfig};
use crate::pieces::Pieces;
use crate::preprocessing::Preprocessing;
use crate::sampler::{balanced_order, epoch_order};
use crate::source::{Labelled, relabelled};

/// Some items of a source, with how they become the net's input.
///
/// ```
/// use taper_dataset::augment::Policy;
/// use taper_dataset::{Part, Preprocessing, open};
///
/// let digits = open("digits")?.train;
/// let part = Part::new(digits, (0..10).collect(), Preprocessing::mnist(), Policy::default());
/// let batches = part.in_order(4)?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(batches.iter().map(|batch| batch.labels.len()).collect::<Vec<_>>(), [4, 4, 2]);
/// # Ok::<(), taper_dataset::Error>(())
/// ```
#[derive(Clone)]
pub struct Part {
    source: Arc<dyn Labelled>,
    indices: Vec<usize>,
    preprocessing: Preprocessing,
    /// What is changed at random where this part is trained on.
    augment: Policy,
}

/// Which batches of which epoch are trained on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochConfig {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Number of the first batch to give.
    pub first_batch: usize,
    /// The run's seed: it and the epoch give the order.
    pub seed: u64,
    /// Images of a batch.
    pub batch_size: usize,
    /// Whether every class comes as often as another, with as many images in all.
    pub balanced: bool,
    /// How batches are cut.
    pub pieces: Pieces,
}

impl Part {
    /// The items of a source at the places `indices`; `augment` is what is changed at random where they
    /// are trained on.
    pub fn new(
        source: Arc<dyn Labelled>,
        indices: Vec<usize>,
        preprocessing: Preprocessing,
        augment: Policy,
    ) -> Self {
        Self { source, indices, preprocessing, augment }
    }

    /// Changes images by an augmentation of the caller's, too, where they are trained on.
    pub fn add_augmentation(&mut self, augmentation: impl Augmentation + 'static) {
        self.augment = std::mem::take(&mut self.augment).with(augmentation);
    }

    /// Whether images are changed at random where they are trained on.
    pub fn augments(&self) -> bool {
        self.augment.changes_images() || self.augment.mixes()
    }

    /// Whether batches are mixed where they are trained on, so that targets are soft.
    pub fn mixes(&self) -> bool {
        self.augment.mixes()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The names of the classes, in the order of the labels.
    pub fn class_names(&self) -> &[String] {
        self.source.class_names()
    }

    /// The batches of an epoch, augmented by its seed, its number and the image's place.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn epoch(&self, config: &EpochConfig) -> Result<Loader> {
        let indices = self.order(config).into_iter().map(|place| self.indices[place]).collect();
        let &EpochConfig { epoch, first_batch, seed, batch_size, ref pieces, .. } = config;
        let config = LoaderConfig {
            batch_size,
            seed,
            epoch: epoch as u64,
            first_batch,
            pieces: pieces.clone(),
            augment: self.augment.clone(),
            ..Default::default()
        };
        Loader::new(self.source.clone(), indices, self.preprocessing.clone(), config)
    }

    /// The places of an epoch's images, in their order.
    fn order(&self, config: &EpochConfig) -> Vec<usize> {
        match config.balanced {
            true => balanced_order(&self.labels(), config.seed, config.epoch as u64),
            false => epoch_order(self.len(), config.seed, config.epoch as u64, true),
        }
    }

    /// The class of each image.
    pub fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.source.label(index)).collect()
    }

    /// All batches in the source's order, as they are.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn in_order(&self, batch_size: usize) -> Result<Loader> {
        self.load(LoaderConfig { batch_size, ..Default::default() })
    }

    /// The batches of [`Part::epoch`] without their images: labels and places alone.
    pub fn epoch_without_images(&self, config: &EpochConfig) -> Vec<Batch> {
        let &EpochConfig { first_batch, batch_size, ref pieces, .. } = config;
        let order = self.order(config);
        let pieces = pieces.of_epoch(first_batch, order.len(), batch_size);
        pieces.map(|(_, places)| self.without_images(&order[places])).collect()
    }

    /// The batches of [`Part::in_order`] without their images.
    pub fn in_order_without_images(&self, batch_size: usize) -> Vec<Batch> {
        let order: Vec<usize> = (0..self.len()).collect();
        order.chunks(batch_size).map(|places| self.without_images(places)).collect()
    }

    fn without_images(&self, places: &[usize]) -> Batch {
        self.batch(places.iter().map(|&place| self.indices[place]).collect())
    }

    /// A batch without its images.
    fn batch(&self, indices: Vec<usize>) -> Batch {
        Batch {
            images: Vec::new(),
            shape: [indices.len(), 0, 0, 0],
            labels: indices.iter().map(|&index| self.source.label(index)).collect(),
            indices,
            targets: None,
        }
    }

    /// All batches in the source's order, each image as a policy shows it: `view` is what tells one
    /// view of it from another.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn view(&self, batch_size: usize, augment: Policy, seed: u64, view: u64) -> Result<Loader> {
        self.load(LoaderConfig { batch_size, augment, seed, epoch: view, ..Default::default() })
    }

    /// The source.
    pub fn source(&self) -> &dyn Labelled {
        self.source.as_ref()
    }

    /// The source, to be shared.
    pub fn shared_source(&self) -> &Arc<dyn Labelled> {
        &self.source
    }

    /// The same without the items at some places in the source.
    pub fn without(mut self, is_left_out: impl Fn(usize) -> bool) -> Self {
        self.indices.retain(|&index| !is_left_out(index));
        self
    }

    /// The places in the source.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How an image becomes the net's input.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Channels, height and width of an image as the net takes it.
    pub fn size(&self) -> [usize; 3] {
        self.preprocessing.shape()
    }

    /// Some of its images, each by its place in this part and with its number among other classes.
    ///
    /// ```
    /// use taper_dataset::augment::Policy;
    /// use taper_dataset::{Part, Preprocessing, open};
    ///
    /// let digits = open("digits")?.train;
    /// let part = Part::new(digits, vec![5, 900], Preprocessing::mnist(), Policy::default());
    /// let names = ["seven".to_string(), "five".to_string()];
    /// assert_eq!(part.relabelled(&[(1, 1)], &names).labels(), [1]);
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    ///
    /// # Panics
    /// A place that the part does not have.
    pub fn relabelled(&self, items: &[(usize, u32)], class_names: &[String]) -> Self {
        let items = items.iter().map(|&(place, class)| (self.indices[place], class)).collect();
        let source = relabelled(self.source.clone(), items, class_names);
        Self { indices: (0..source.len()).collect(), source, ..self.clone() }
    }

    /// Normalizes by other numbers from now on.
    pub fn normalize_by(&mut self, fitted: &Normalization) {
        self.preprocessing.mean.clone_from(&fitted.mean);
        self.preprocessing.std.clone_from(&fitted.std);
    }

    /// One batch of items by their places in the source.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn items(&self, indices: &[usize]) -> Result<Batch> {
        let config = LoaderConfig { batch_size: indices.len().max(1), ..Default::default() };
        let (source, preprocessing) = (self.source.clone(), self.preprocessing.clone());
        let loader = Loader::new(source, indices.to_vec(), preprocessing, config)?;
        // Of no items there is no batch.
        loader.into_iter().next().unwrap_or_else(|| Ok(self.batch(Vec::new())))
    }

    /// Whether looking at an image costs no more than copying it.
    pub fn in_memory(&self) -> bool {
        self.source.in_memory()
    }

    fn load(&self, config: LoaderConfig) -> Result<Loader> {
        let (source, preprocessing) = (self.source.clone(), self.preprocessing.clone());
        Loader::new(source, self.indices.clone(), preprocessing, config)
    }
}
