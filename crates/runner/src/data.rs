//! The parts of the data: what is trained on, validated on and held out.

mod divided;

use std::sync::Arc;

use taper_dataset::sampler::{balanced_order, epoch_order};
use taper_dataset::split::Split;
use taper_dataset::{
    Augment, Batch, Columns, Dataset, Labelled, Loader, LoaderConfig, Normalization, Preprocessing,
    cache,
};

use crate::error::RunnerError;
use crate::recipe::{DataRecipe, ImageRecipe, Recipe};
use crate::registry::Registry;
use crate::views::Views;

pub(crate) use divided::divided;
use divided::{Divided, Items};

/// Some items of a source, with how they become the net's input.
#[derive(Clone)]
pub struct Part {
    source: Arc<dyn Labelled>,
    indices: Vec<usize>,
    preprocessing: Preprocessing,
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
    /// Of each image that was left out because it cannot be read, why.
    pub left_out: Vec<String>,
    /// How the parts came about, in words.
    division: String,
    /// The training part before anything was done to its images.
    as_it_is: Items,
}

/// Training images whose borders are looked at.
const BORDERS: usize = 32;

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
        recipe.augment.check()?;
        let preprocessing = recipe.image.preprocessing();
        let divided = Divided::open(recipe, registry)?;
        let limit = data.cache_mib.saturating_mul(1 << 20);
        let chosen = format!(
            "{} {:?} {:?} {:?} {limit}",
            data.source,
            data.columns(),
            data.classes,
            data.broken
        );
        let prepare = |part: &str, source: &Arc<dyn Labelled>| {
            let what = format!("{part} of {chosen}");
            registry
                .prepared(&what, &preprocessing, || cache(source.clone(), &preprocessing, limit))
        };
        let Dataset { name, train, validation, test } = &divided.dataset;
        let train = prepare("train", train)?;
        let validation =
            validation.as_ref().map(|source| prepare("validation", source)).transpose()?;
        let test = test.as_ref().map(|source| prepare("test", source)).transpose()?;
        let part = |items: Items| {
            let prepared = match items.of {
                Split::Train => Some(&train),
                Split::Validation => validation.as_ref(),
                Split::Test => test.as_ref(),
            };
            Part {
                source: prepared.map_or(items.source, |cached| cached.source.clone()),
                indices: items.indices,
                preprocessing: prepared
                    .map_or(&preprocessing, |cached| &cached.preprocessing)
                    .clone(),
                augment: recipe.augment,
            }
        };
        let as_it_is = divided.train.clone();
        let mut parts = Self {
            name: name.clone(),
            train: part(divided.train),
            validation: divided.validation.map(part),
            test: part(divided.test),
            left_out: divided.left_out,
            division: divided.division,
            as_it_is,
        };
        // A resized crop takes the place of the placement, so it needs the images as they are.
        if recipe.augment.crops() {
            let source = parts.as_it_is.source.clone();
            (parts.train.source, parts.train.preprocessing) = (source, preprocessing.clone());
        }
        for (name, part) in [("training", &parts.train), ("held-out", &parts.test)] {
            if part.is_empty() {
                return Err(RunnerError::Empty { part: name, source_name: parts.name });
            }
        }
        Ok(parts)
    }

    /// Normalizes every part by mean and standard deviation of the training part alone; gives them.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub(crate) fn fit_normalization(&mut self) -> Result<Normalization, RunnerError> {
        let Part { source, indices, preprocessing, .. } = &self.train;
        let fitted = Normalization::fit(source.as_ref(), indices, preprocessing)?;
        let parts = [Some(&mut self.train), self.validation.as_mut(), Some(&mut self.test)];
        parts.into_iter().flatten().for_each(|part| part.normalize_by(&fitted));
        Ok(fitted)
    }

    /// How light the borders of training images are, 0 (black) to 1 (white): the mean over some of
    /// them as they are stored. `None` where none of those can be read.
    pub fn border(&self) -> Option<f64> {
        let mut some = self.as_it_is.clone();
        some.spread(BORDERS);
        let read = |&index: &usize| Some(some.source.decode(index).ok()?.border());
        let borders: Vec<f64> = some.indices.iter().filter_map(read).collect();
        // Rounded, so that it can be read.
        let mean = |sum: f64| (1e3 * sum / borders.len() as f64).round() / 1e3;
        (!borders.is_empty()).then(|| mean(borders.iter().sum()))
    }

    /// One line: the data's name, its size and how it is divided.
    pub fn describe(&self) -> String {
        let validation = match &self.validation {
            Some(part) => format!(", {} for validation", part.len()),
            None => String::new(),
        };
        let left_out = match self.left_out.len() {
            0 => String::new(),
            count => format!(", {count} left out, which cannot be read"),
        };
        format!(
            "{}: {} classes, {} images to train on{validation}, {} held out ({}){left_out}",
            self.name,
            self.train.class_names().len(),
            self.train.len(),
            self.test.len(),
            self.division
        )
    }

    /// One of the parts, or all of them; those that are there.
    pub fn parts(&self, split: Option<Split>) -> Vec<&Part> {
        let validation = self.validation.as_ref();
        match split {
            Some(Split::Train) => vec![&self.train],
            Some(Split::Validation) => validation.into_iter().collect(),
            Some(Split::Test) => vec![&self.test],
            None => [&self.train].into_iter().chain(validation).chain([&self.test]).collect(),
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
        Ok(Loader::new(self.source.clone(), indices, self.preprocessing.clone(), config)?)
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
    pub(crate) fn source(&self) -> &dyn Labelled {
        self.source.as_ref()
    }

    pub(crate) fn indices(&self) -> &[usize] {
        &self.indices
    }

    pub(crate) fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Channels, height and width of an image as the net takes it.
    pub(crate) fn size(&self) -> [usize; 3] {
        [self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width]
    }

    /// Normalizes by other numbers from now on.
    fn normalize_by(&mut self, fitted: &Normalization) {
        self.preprocessing.mean.clone_from(&fitted.mean);
        self.preprocessing.std.clone_from(&fitted.std);
    }

    /// One batch of items by their places in the source.
    pub(crate) fn items(&self, indices: &[usize]) -> Result<Batch, RunnerError> {
        let config = LoaderConfig { batch_size: indices.len().max(1), ..Default::default() };
        let (source, preprocessing) = (self.source.clone(), self.preprocessing.clone());
        let mut batches = Loader::new(source, indices.to_vec(), preprocessing, config)?;
        let empty = || RunnerError::Empty { part: "chosen", source_name: self.source.describe() };
        Ok(batches.next().ok_or_else(empty)??)
    }

    /// Whether looking at an image costs no more than copying it.
    pub(crate) fn in_memory(&self) -> bool {
        self.source.in_memory()
    }

    fn load(&self, config: LoaderConfig) -> Result<Loader, RunnerError> {
        let (source, preprocessing) = (self.source.clone(), self.preprocessing.clone());
        Ok(Loader::new(source, self.indices.clone(), preprocessing, config)?)
    }
}

impl DataRecipe {
    /// The columns of a list or a table, where they are named.
    pub fn columns(&self) -> Columns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        Columns { image: named(&self.image_column), label: named(&self.label_column) }
    }
}

impl ImageRecipe {
    /// How an image becomes the net's input.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            height: self.height,
            width: self.width,
            channels: self.channels,
            placement: self.placement,
            filter: self.filter,
            mean: self.mean.clone(),
            std: self.std.clone(),
        }
    }

    /// Takes it from elsewhere.
    pub fn set(&mut self, to: &Preprocessing) {
        let Preprocessing { height, width, channels, placement, filter, ref mean, ref std } = *to;
        let (mean, std) = (mean.clone(), std.clone());
        let fit_normalization = self.fit_normalization;
        *self = Self { height, width, channels, placement, filter, mean, std, fit_normalization };
    }
}
