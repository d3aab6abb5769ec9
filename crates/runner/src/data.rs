//! The parts of the data: what is trained on, validated on and held out.

use std::sync::Arc;

use taper_dataset::sampler::{balanced_order, epoch_order};
use taper_dataset::source::{broken, keep_classes, without};
use taper_dataset::split::{SplitConfig, folds, per_class, stratified};
use taper_dataset::{
    Augment, Batch, Cached, Dataset, Loader, LoaderConfig, Normalize, Pipeline, Source, cache,
};

use crate::error::RunnerError;
use crate::evaluate::Views;
use crate::plan::setting;
use crate::recipe::{BrokenImages, DataRecipe, ImageRecipe, Recipe};
use crate::registry::Registry;

/// Some items of a source, with how they become the net's input.
#[derive(Clone)]
pub struct Part {
    source: Arc<dyn Source>,
    indices: Vec<usize>,
    pipeline: Pipeline,
    /// What is changed at random where this part is trained on.
    augment: Augment,
}

/// The parts of a data set.
#[derive(Clone)]
pub struct Data {
    /// The data set's path or name.
    pub name: String,
    /// What is trained on.
    pub train: Part,
    /// What is looked at after each epoch.
    pub validation: Option<Part>,
    /// What is held out.
    pub test: Part,
    /// How the parts came about, in words.
    division: String,
}

/// One of the parts by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartName {
    /// What training sees.
    Train,
    /// What is held out.
    Test,
    /// Everything.
    All,
}

impl Data {
    /// Opens the recipe's data and divides it.
    ///
    /// A test or validation part that the data brings is taken as it is; else a stratified share of
    /// what there is to train on is drawn with the split's own seed.
    ///
    /// # Errors
    /// Data that cannot be read, shares that leave nothing.
    pub fn open(recipe: &Recipe, registry: &Registry) -> Result<Self, RunnerError> {
        let data = &recipe.data;
        check(data)?;
        recipe.augment.check()?;
        let pipeline = recipe.image.pipeline();
        let dataset = open_dataset(data, registry)?;
        let part = |source: &Cached, indices| Part {
            source: source.source.clone(),
            indices,
            pipeline: source.pipeline.clone(),
            augment: recipe.augment,
        };
        let whole = |source: &Cached| part(source, (0..source.source.len()).collect());
        let limit = data.cache_mib.saturating_mul(1 << 20);
        let chosen = format!("{} {:?} {:?} {limit}", data.source, data.classes, data.broken);
        let prepare = |part: &str, source: Arc<dyn Source>| {
            let what = format!("{part} of {chosen}");
            registry.prepared(&what, &pipeline, || cache(source, &pipeline, limit))
        };

        let split = stratified(
            &dataset.train.labels(),
            &SplitConfig {
                test: if dataset.test.is_some() { 0.0 } else { data.test_fraction },
                test_seed: data.split_seed,
                validation: match dataset.validation {
                    Some(_) => 0.0,
                    None => data.validation_fraction,
                },
                validation_seed: data.split_seed,
            },
        )?;
        let mut division = match dataset.test {
            Some(_) => "with a test part of its own".to_string(),
            None => format!(
                "{:.0} % held out, stratified, split seed {}",
                100.0 * data.test_fraction,
                data.split_seed
            ),
        };
        // A resized crop takes the place of the placement, so it needs the images as they are.
        let crops = recipe.augment.crops();
        let unplaced = Cached { source: dataset.train.clone(), pipeline: pipeline.clone() };
        let all = prepare("train", dataset.train)?;
        let mut train = part(if crops { &unplaced } else { &all }, split.train);
        let mut test = match dataset.test {
            Some(source) => whole(&prepare("test", source)?),
            None => part(&all, split.test),
        };
        let mut validation = match dataset.validation {
            Some(source) => Some(whole(&prepare("validation", source)?)),
            None if split.validation.is_empty() => None,
            None => Some(part(&all, split.validation)),
        };
        if data.folds > 0 {
            (train, test) = train.fold(data)?;
            division = format!("fold {} of {} of the training part", data.fold + 1, data.folds);
        }
        if data.per_class > 0 {
            let places = per_class(&train.labels(), data.per_class, data.draw_seed);
            train.indices = places.into_iter().map(|place| train.indices[place]).collect();
        }
        if data.overfit_batches > 0 {
            train.spread(data.overfit_batches.saturating_mul(recipe.train.batch_size));
            validation = Some(train.clone());
        }
        if data.limit > 0 {
            let parts = [Some(&mut train), validation.as_mut(), Some(&mut test)];
            parts.into_iter().flatten().for_each(|part| part.spread(data.limit));
        }
        for (name, part) in [("training", &train), ("held-out", &test)] {
            if part.is_empty() {
                return Err(RunnerError::Empty { part: name, source_name: dataset.name });
            }
        }
        Ok(Self { name: dataset.name, train, validation, test, division })
    }

    /// Normalizes every part by mean and standard deviation of the training part alone; gives them.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub(crate) fn fit_normalization(&mut self) -> Result<Normalize, RunnerError> {
        let Part { source, indices, pipeline, .. } = &self.train;
        let fitted = Normalize::fit(source.as_ref(), indices, pipeline)?;
        let parts = [Some(&mut self.train), self.validation.as_mut(), Some(&mut self.test)];
        parts.into_iter().flatten().for_each(|part| part.normalize_by(&fitted));
        Ok(fitted)
    }

    /// One line: the data's name, its size and how it is divided.
    pub fn describe(&self) -> String {
        let validation = match &self.validation {
            Some(part) => format!(", {} for validation", part.len()),
            None => String::new(),
        };
        format!(
            "{}: {} classes, {} images to train on{validation}, {} held out ({})",
            self.name,
            self.train.class_names().len(),
            self.train.len(),
            self.test.len(),
            self.division
        )
    }

    /// The parts that a name stands for.
    pub fn parts(&self, name: PartName) -> Vec<&Part> {
        match name {
            PartName::Train => vec![&self.train],
            PartName::Test => vec![&self.test],
            PartName::All => {
                let mut parts = vec![&self.train];
                parts.extend(&self.validation);
                parts.push(&self.test);
                parts
            }
        }
    }
}

impl Part {
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

    /// The batches of an epoch from the `first_batch` on, in the order that `seed` and `epoch` give,
    /// augmented by both and the image's place; `balanced` has every class as often as another, with
    /// as many images in all.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn epoch(
        &self,
        epoch: usize,
        first_batch: usize,
        seed: u64,
        batch_size: usize,
        balanced: bool,
    ) -> Result<Loader, RunnerError> {
        let order = self.order(epoch, seed, balanced);
        let indices = order.into_iter().map(|place| self.indices[place]).collect();
        let (epoch, augment) = (epoch as u64, self.augment);
        let config =
            LoaderConfig { batch_size, seed, epoch, first_batch, augment, ..Default::default() };
        Ok(Loader::new(self.source.clone(), indices, self.pipeline.clone(), config)?)
    }

    /// The places of an epoch's images, in their order.
    fn order(&self, epoch: usize, seed: u64, balanced: bool) -> Vec<usize> {
        match balanced {
            true => balanced_order(&self.labels(), seed, epoch as u64),
            false => epoch_order(self.len(), seed, epoch as u64, true),
        }
    }

    /// The class of each image.
    pub(crate) fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.source.label(index)).collect()
    }

    /// All batches in the source's order, as they are.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn in_order(&self, batch_size: usize) -> Result<Loader, RunnerError> {
        self.load(LoaderConfig { batch_size, ..Default::default() })
    }

    /// The batches of [`Part::epoch`] without their images: labels and places alone.
    pub(crate) fn epoch_without_images(
        &self,
        epoch: usize,
        first_batch: usize,
        seed: u64,
        batch_size: usize,
        balanced: bool,
    ) -> Vec<Batch> {
        let order = self.order(epoch, seed, balanced);
        self.without_images(&order, batch_size).skip(first_batch).collect()
    }

    /// The batches of [`Part::in_order`] without their images.
    pub(crate) fn in_order_without_images(&self, batch_size: usize) -> Vec<Batch> {
        let order: Vec<usize> = (0..self.len()).collect();
        self.without_images(&order, batch_size).collect()
    }

    fn without_images(&self, order: &[usize], batch_size: usize) -> impl Iterator<Item = Batch> {
        order.chunks(batch_size).map(|places| {
            let indices: Vec<usize> = places.iter().map(|&place| self.indices[place]).collect();
            let labels = indices.iter().map(|&index| self.source.label(index)).collect();
            Batch {
                images: Vec::new(),
                shape: [indices.len(), 0, 0, 0],
                labels,
                indices,
                targets: None,
            }
        })
    }

    /// All batches in the source's order, each image as a policy shows it: `view` is what tells one
    /// look from another.
    ///
    /// # Errors
    /// The thread that prepares them cannot be started.
    pub fn view(&self, batch_size: usize, views: &Views, view: u64) -> Result<Loader, RunnerError> {
        let Views { augment, seed, .. } = *views;
        self.load(LoaderConfig { batch_size, augment, seed, epoch: view, ..Default::default() })
    }

    /// The source and the places in it.
    pub(crate) fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    pub(crate) fn indices(&self) -> &[usize] {
        &self.indices
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Channels, height and width of an image as the net takes it.
    pub(crate) fn size(&self) -> [usize; 3] {
        [self.pipeline.channels, self.pipeline.height, self.pipeline.width]
    }

    /// Normalizes by other numbers from now on.
    fn normalize_by(&mut self, normalize: &Normalize) {
        self.pipeline.normalize = normalize.clone();
    }

    /// One batch of items by their places in the source.
    pub(crate) fn items(&self, indices: &[usize]) -> Result<Batch, RunnerError> {
        let config = LoaderConfig { batch_size: indices.len().max(1), ..Default::default() };
        let (source, pipeline) = (self.source.clone(), self.pipeline.clone());
        let mut batches = Loader::new(source, indices.to_vec(), pipeline, config)?;
        let empty = || RunnerError::Empty { part: "chosen", source_name: self.source.describe() };
        Ok(batches.next().ok_or_else(empty)??)
    }

    /// Whether looking at an image costs no more than copying it.
    pub(crate) fn in_memory(&self) -> bool {
        self.source.in_memory()
    }

    fn load(&self, config: LoaderConfig) -> Result<Loader, RunnerError> {
        let (source, pipeline) = (self.source.clone(), self.pipeline.clone());
        Ok(Loader::new(source, self.indices.clone(), pipeline, config)?)
    }

    /// Keeps at most `limit` images, evenly spread: the classes stand one after the other.
    fn spread(&mut self, limit: usize) {
        let len = self.len();
        if limit < len {
            self.indices = (0..limit).map(|i| self.indices[i * len / limit]).collect();
        }
    }

    /// What is left to train on, and the fold that is tested.
    fn fold(&self, data: &DataRecipe) -> Result<(Part, Part), RunnerError> {
        let fold = folds(&self.labels(), data.folds, data.split_seed)?.swap_remove(data.fold);
        let pick = |places: Vec<usize>| Part {
            indices: places.into_iter().map(|place| self.indices[place]).collect(),
            ..self.clone()
        };
        Ok((pick(fold.train), pick(fold.held_out)))
    }
}

/// The recipe's data set, with the classes that it wants, without broken images if it wants that.
pub(crate) fn open_dataset(data: &DataRecipe, registry: &Registry) -> Result<Dataset, RunnerError> {
    let mut dataset = registry.dataset(&data.source)?;
    let mut change = |change: &dyn Fn(Arc<dyn Source>) -> Result<Arc<dyn Source>, RunnerError>| {
        dataset.train = change(dataset.train.clone())?;
        dataset.validation = dataset.validation.take().map(change).transpose()?;
        dataset.test = dataset.test.take().map(change).transpose()?;
        Ok::<(), RunnerError>(())
    };
    if !data.classes.is_empty() {
        change(&|source| Ok(keep_classes(source, &data.classes)?))?;
    }
    if data.broken == BrokenImages::Skip {
        change(&|source| {
            let left_out = broken(source.as_ref())?;
            Ok(if left_out.is_empty() { source } else { without(source, &left_out) })
        })?;
    }
    Ok(dataset)
}

impl ImageRecipe {
    /// How an image becomes the net's input.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline {
            height: self.height,
            width: self.width,
            channels: self.channels,
            placement: self.placement,
            filter: self.filter,
            normalize: Normalize { mean: self.mean.clone(), std: self.std.clone() },
        }
    }
}

fn check(data: &DataRecipe) -> Result<(), RunnerError> {
    let shares = [
        ("data.test_fraction", data.test_fraction),
        ("data.validation_fraction", data.validation_fraction),
    ];
    for (key, share) in shares {
        if !(0.0..1.0).contains(&share) {
            return Err(setting(key, share, "0 to below 1"));
        }
    }
    if data.folds == 1 || (data.folds > 0 && data.fold >= data.folds) {
        let found = format!("{} of {} folds", data.fold, data.folds);
        return Err(setting("data.fold", found, "a fold below data.folds, of 2 or more"));
    }
    Ok(())
}
