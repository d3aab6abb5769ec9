//! The parts of the data: what is trained on, validated on and held out.

mod splits;

use std::sync::Arc;

use taper_dataset::split::Split;
use taper_dataset::{Columns, Dataset, Labelled, Normalization, Part, Preprocessing, cache};
use taper_model::nets::NetInfo;

use crate::error::{DataError, RunnerError, setting};
use crate::observe::counted;
use crate::recipe::{DataRecipe, ImageRecipe, Recipe};
use crate::registry::Registry;

pub use splits::split_dataset;
pub(crate) use splits::spread;
use splits::{Items, Splits};

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
        let parts = Self::divided(recipe, registry)?;
        for (name, part) in [("training", &parts.train), ("held-out", &parts.test)] {
            if part.is_empty() {
                return Err(DataError::Empty { part: name, source_name: parts.name }.into());
            }
        }
        Ok(parts)
    }

    /// As [`open`](Self::open), whichever part is empty.
    pub(crate) fn divided(recipe: &Recipe, registry: &Registry) -> Result<Self, RunnerError> {
        let data = &recipe.data;
        let policy = recipe.augment.policy()?;
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
        let prepare = |part: &str, source: &Arc<dyn Labelled>| {
            let what = format!("{part} of {chosen}");
            let decode = |source| cache(source, &preprocessing, limit);
            registry.prepared(&what, &preprocessing, || {
                counted(registry.shows_decoding, &format!("decode {part}"), source, decode)
            })
        };
        let Dataset { name, train, validation, test } = &splits.dataset;
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
            let source = prepared.map_or(items.source, |cached| cached.source.clone());
            let preprocessing = prepared.map_or(&preprocessing, |cached| &cached.preprocessing);
            Part::new(source, items.indices, preprocessing.clone(), policy.clone())
        };
        let as_it_is = splits.train.clone();
        // A resized crop takes the place of the resizing, so it needs the images as they are.
        let train = match policy.crops() {
            true => {
                let Items { source, indices, .. } = splits.train;
                Part::new(source, indices, preprocessing.clone(), policy.clone())
            }
            false => part(splits.train),
        };
        Ok(Self {
            name: name.clone(),
            train,
            validation: splits.validation.map(part),
            test: part(splits.test),
            left_out: splits.left_out,
            division: splits.division,
            as_it_is,
        })
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

    /// Puts the net's own numbers in place of each height, width and number of channels that is 0.
    ///
    /// # Errors
    /// A mean or deviation for another number of channels.
    pub(crate) fn complete(&mut self, net: &NetInfo) -> Result<(), RunnerError> {
        let (channels, height, width) = net.default_input;
        for (setting, default) in
            [(&mut self.channels, channels), (&mut self.height, height), (&mut self.width, width)]
        {
            if *setting == 0 {
                *setting = default;
            }
        }
        for (key, values) in [("image.mean", &self.mean), ("image.std", &self.std)] {
            if values.len() != 1 && values.len() != self.channels {
                let expected = format!("one number, or one for each of {} channels", self.channels);
                return Err(setting(key, format!("{values:?}"), expected));
            }
        }
        Ok(())
    }

    /// Takes it from elsewhere.
    pub fn set(&mut self, to: &Preprocessing) {
        let Preprocessing { height, width, channels, placement, filter, ref mean, ref std } = *to;
        let (mean, std) = (mean.clone(), std.clone());
        let fit_normalization = self.fit_normalization;
        *self = Self { height, width, channels, placement, filter, mean, std, fit_normalization };
    }
}
