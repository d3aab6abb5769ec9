//! The parts of the data: what is trained on, validated on and held out.

mod splits;

use std::collections::BTreeSet;
use std::path::PathBuf;

use taper_dataset::split::Split;
use taper_dataset::{Cached, Columns, LeftOut, Normalization, Part, Preprocessing, cache};
use taper_model::nets::NetInfo;
use taper_pretrained::check_preprocessing;

use crate::error::{DataError, RunnerError, setting};
use crate::observe::counted;
use crate::recipe::{DataRecipe, ImageRecipe, Recipe};
use crate::registry::Registry;

pub use splits::split_dataset;
use splits::{Items, Splits};
pub(crate) use splits::{UNREADABLE, look_for_broken, spread};

/// The parts of a data set.
#[derive(Clone)]
pub struct Data {
    /// The data set's path or name.
    pub name: String,
    /// The file or folder, from the root of the file system; none of data by name.
    pub path: Option<PathBuf>,
    /// What is trained on.
    pub train: Part,
    /// What is looked at after each epoch.
    pub validation: Option<Part>,
    /// What is held out; it may be empty, and something else is scored then: [`Data::scored`].
    pub test: Part,
    /// What was found and not taken, by reason.
    pub left_out: LeftOut,
    /// Of each image that was left out because it cannot be read, why.
    pub faults: Vec<String>,
    /// How many these are of each class, in the training, validation and test part.
    pub(crate) unreadable: Vec<[usize; 3]>,
    /// How the parts came about, in words.
    division: String,
    /// The training part before anything was done to its images.
    as_it_is: Items,
}

/// Training images whose borders are looked at.
const BORDERS: usize = 32;

impl Data {
    /// Opens the recipe's data and divides it; decodes the images of the parts alone, as far as they may be
    /// kept in memory.
    ///
    /// A test or validation part that the data brings is taken as it is; else a stratified share of
    /// what there is to train on is drawn with the split's own seed. Of data with a validation part of its own no
    /// test part is drawn. Any part may be empty.
    ///
    /// # Errors
    /// Data that cannot be read, shares that cannot be used.
    pub fn open(recipe: &Recipe, registry: &Registry) -> Result<Self, RunnerError> {
        let data = &recipe.data;
        let policy = registry.policy(&mut recipe.augment.clone())?;
        let preprocessing = recipe.image.preprocessing();
        let splits = Splits::open(recipe, registry)?;
        let limit = data.cache_mib.saturating_mul(1 << 20);
        let chosen = format!(
            "{} {:?} {:?} {:?} {limit}",
            data.source,
            data.columns(),
            data.classes,
            data.broken
        );
        // A resized crop takes the place of the resizing, so it needs the images as they are.
        let as_they_are = policy.crops();
        let train = Some(&splits.train).filter(|_| !as_they_are);
        let kept: Vec<&Items> =
            train.into_iter().chain(&splits.validation).chain([&splits.test]).collect();
        let prepare = |of: Split| -> Result<Option<Cached>, RunnerError> {
            let kept = || kept.iter().filter(|items| items.of == of);
            let Some(Items { source, .. }) = kept().next() else { return Ok(None) };
            let wanted: BTreeSet<usize> =
                kept().flat_map(|items| &items.indices).copied().collect();
            let wanted: Vec<usize> = wanted.into_iter().collect();
            let what = format!("{of:?} of {chosen}");
            let decode = |source| cache(source, &wanted, &preprocessing, limit);
            let label = format!("decode {}", format!("{of:?}").to_lowercase());
            let prepare = || counted(registry.shows_decoding, &label, source, wanted.len(), decode);
            registry.prepared(&what, &wanted, &preprocessing, prepare).map(Some)
        };
        let prepared = [prepare(Split::Train)?, prepare(Split::Validation)?, prepare(Split::Test)?];
        let part = |items: Items, as_they_are: bool| {
            let cached = prepared[items.of as usize].as_ref().filter(|_| !as_they_are);
            let source = cached.map_or(items.source, |cached| cached.source.clone());
            let preprocessing = cached.map_or(&preprocessing, |cached| &cached.preprocessing);
            Part::new(source, items.indices, preprocessing.clone(), policy.clone())
        };
        Ok(Self {
            name: splits.name,
            path: registry.path_of(&data.source),
            as_it_is: splits.train.clone(),
            train: part(splits.train, as_they_are),
            validation: splits.validation.map(|items| part(items, false)),
            test: part(splits.test, false),
            left_out: splits.left_out,
            faults: splits.faults,
            unreadable: splits.unreadable,
            division: splits.division,
        })
    }

    /// Whether a run can train on it.
    ///
    /// # Errors
    /// Nothing to train on; nothing held out where something should be.
    pub(crate) fn check_training(&self, recipe: &DataRecipe) -> Result<(), RunnerError> {
        let scored_on_itself = self.scored().0 == Split::Train;
        let empty = match self.train.is_empty() {
            true => "training",
            false if scored_on_itself && recipe.test_fraction > 0.0 => "held-out",
            false => return Ok(()),
        };
        Err(DataError::Empty { part: empty, source_name: self.name.clone() }.into())
    }

    /// What the run is scored on, before and after training: what is held out; where nothing is, the
    /// validation part; where there is none, what is trained on.
    pub fn scored(&self) -> (Split, &Part) {
        match &self.validation {
            _ if !self.test.is_empty() => (Split::Test, &self.test),
            Some(validation) => (Split::Validation, validation),
            None => (Split::Train, &self.train),
        }
    }

    /// The classes of which there is no image to train on.
    pub(crate) fn untrained_classes(&self) -> Vec<&str> {
        let labels: BTreeSet<u32> = self.train.labels().into_iter().collect();
        let names = self.train.class_names().iter().zip(0..);
        names.filter(|(_, label)| !labels.contains(label)).map(|(name, _)| &**name).collect()
    }

    /// Normalizes every part by mean and standard deviation of the training part alone; gives them.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub(crate) fn fit_normalization(&mut self) -> Result<Normalization, RunnerError> {
        let Self { train, .. } = self;
        let fitted = Normalization::fit(train.source(), train.indices(), train.preprocessing())?;
        let parts = [Some(&mut self.train), self.validation.as_mut(), Some(&mut self.test)];
        parts.into_iter().flatten().for_each(|part| part.normalize_by(&fitted));
        Ok(fitted)
    }

    /// How light the borders of training images are, 0 (black) to 1 (white): the mean over some of
    /// them as they are stored. `None` where none of those can be read.
    pub fn border_brightness(&self) -> Option<f64> {
        let mut some = self.as_it_is.clone();
        some.spread(BORDERS);
        let read = |&index: &usize| Some(some.source.decode(index).ok()?.border_brightness());
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
        let held_out = match self.scored().0 {
            Split::Test => format!("{} held out ({})", self.test.len(), self.division),
            Split::Validation => "none held out: the validation images are scored".to_string(),
            Split::Train => "none held out: the images trained on are scored".to_string(),
        };
        format!(
            "{}: {} classes, {} images to train on{validation}, {held_out}{}",
            self.name,
            self.train.class_names().len(),
            self.train.len(),
            self.left_out.tail(),
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

impl DataRecipe {
    /// The columns of a list or a table, where they are named, and how paths are made of what stands there.
    pub fn columns(&self) -> Columns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        Columns {
            image: named(&self.image_column),
            label: named(&self.label_column),
            image_folder: self.image_folder.as_str().into(),
            image_suffix: self.image_suffix.clone(),
        }
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

    /// Puts the net's own numbers in place of each height, width and number of channels that is 0.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn complete(&mut self, net: &NetInfo) -> Result<(), RunnerError> {
        let (channels, height, width) = net.default_input;
        for (setting, default) in
            [(&mut self.channels, channels), (&mut self.height, height), (&mut self.width, width)]
        {
            if *setting == 0 {
                *setting = default;
            }
        }
        self.check()
    }

    /// Checks what no finished model may say: it could not be opened again.
    ///
    /// # Errors
    /// A size, a mean or a deviation out of its bounds, or for another number of channels.
    pub(crate) fn check(&self) -> Result<(), RunnerError> {
        check_preprocessing(&self.preprocessing())
            .map_err(|bad| setting(format!("image.{}", bad.key), bad.found, bad.expected))
    }

    /// Takes it from elsewhere.
    pub fn set(&mut self, to: &Preprocessing) {
        let Preprocessing { height, width, channels, placement, filter, ref mean, ref std } = *to;
        let (mean, std) = (mean.clone(), std.clone());
        let fit_normalization = self.fit_normalization;
        *self = Self { height, width, channels, placement, filter, mean, std, fit_normalization };
    }
}
