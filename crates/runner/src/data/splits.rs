//! How a data set is divided: lists of items, nothing decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use taper_dataset::source::{broken, keep_classes, only};
use taper_dataset::split::{Split, SplitConfig, folds, per_class, stratified};
use taper_dataset::{Dataset, Labelled, LeftOut};

use crate::error::{RunnerError, setting};
use crate::observe::counted;
use crate::recipe::{BrokenImages, DataRecipe, Recipe};
use crate::registry::Registry;

/// The parts of a data set as lists of items, nothing decoded.
pub(super) struct Splits {
    pub name: String,
    pub train: Items,
    pub validation: Option<Items>,
    pub test: Items,
    pub division: String,
    /// What was found and not taken, by reason.
    pub left_out: LeftOut,
    /// Of each image that was left out because it cannot be read, why.
    pub faults: Vec<String>,
    /// How many these are of each class, in the training, validation and test part.
    pub unreadable: Vec<[usize; 3]>,
}

/// Some items of one of the data set's own parts.
#[derive(Clone)]
pub(super) struct Items {
    pub of: Split,
    pub source: Arc<dyn Labelled>,
    pub indices: Vec<usize>,
}

impl Splits {
    /// Opens the recipe's data set and divides it.
    pub fn open(recipe: &Recipe, registry: &Registry) -> Result<Self, RunnerError> {
        let data = &recipe.data;
        check(data)?;
        let (dataset, left_out) = open_dataset(data, registry)?;
        let items =
            |of, source: &Arc<dyn Labelled>, indices| Items { of, source: source.clone(), indices };
        let whole = |of, source: &Arc<dyn Labelled>| items(of, source, (0..source.len()).collect());
        let split = stratified(
            &dataset.train.labels(),
            &SplitConfig {
                test: match (&dataset.validation, &dataset.test) {
                    (None, None) => data.test_fraction,
                    _ => 0.0,
                },
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
        let all = &dataset.train;
        let mut train = items(Split::Train, all, split.train);
        let mut test = match &dataset.test {
            Some(source) => whole(Split::Test, source),
            None => items(Split::Train, all, split.test),
        };
        let mut validation = match &dataset.validation {
            Some(source) => Some(whole(Split::Validation, source)),
            None if split.validation.is_empty() => None,
            None => Some(items(Split::Train, all, split.validation)),
        };
        if data.folds > 0 {
            (train, test) = train.fold(data)?;
            division = format!("fold {} of {} of the training part", data.fold + 1, data.folds);
        }
        if data.per_class > 0 {
            let places = per_class(&train.labels(), data.per_class, data.draw_seed);
            train = train.pick(places);
        }
        if data.overfit_batches > 0 {
            train.spread(data.overfit_batches.saturating_mul(recipe.train.batch_size));
            validation = Some(train.clone());
        }
        if data.limit > 0 {
            let parts = [Some(&mut train), validation.as_mut(), Some(&mut test)];
            parts.into_iter().flatten().for_each(|part| part.spread(data.limit));
        }
        let (name, faults, unreadable) = (dataset.name, Vec::new(), Vec::new());
        let mut splits =
            Self { name, train, validation, test, division, left_out, faults, unreadable };
        if data.broken == BrokenImages::Skip {
            splits.leave_broken_out(registry)?;
        }
        Ok(splits)
    }
}

impl Splits {
    /// Looks at the images of the parts, and leaves out those that cannot be read.
    fn leave_broken_out(&mut self, registry: &Registry) -> Result<(), RunnerError> {
        let parts = [Some(&mut self.train), self.validation.as_mut(), Some(&mut self.test)];
        // A part may be validated on that is trained on.
        let mut all = BTreeMap::new();
        for (place, part) in parts.into_iter().enumerate() {
            let Some(part) = part else { continue };
            let faults = look_for_broken(&part.source, &part.indices, registry)?;
            for &index in faults.keys() {
                self.unreadable.resize(part.source.class_names().len(), [0; 3]);
                self.unreadable[part.source.label(index) as usize][place] += 1;
            }
            part.indices.retain(|index| !faults.contains_key(index));
            all.extend(faults.into_iter().map(|(index, fault)| ((part.of, index), fault)));
        }
        self.left_out.add(UNREADABLE, all.len());
        self.faults = all.into_values().collect();
        Ok(())
    }
}

/// Why images are left out that cannot be read.
pub(crate) const UNREADABLE: &str = "images that cannot be read";

/// Those of some images that cannot be read, each with why.
pub(crate) fn look_for_broken(
    source: &Arc<dyn Labelled>,
    indices: &[usize],
    registry: &Registry,
) -> Result<BTreeMap<usize, String>, RunnerError> {
    let look = |source: Arc<dyn Labelled>| broken(source.as_ref(), indices);
    let label = "look for broken images";
    let found = counted(registry.shows_decoding, label, source, indices.len(), look)?;
    Ok(found.into_iter().map(|(index, error)| (index, error.to_string())).collect())
}

/// Keeps at most `limit`, evenly spread.
pub(crate) fn spread<T: Copy>(items: &mut Vec<T>, limit: usize) {
    let len = items.len();
    if limit < len {
        *items = (0..limit).map(|i| items[i * len / limit]).collect();
    }
}

impl Items {
    fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.source.label(index)).collect()
    }

    fn pick(&self, places: Vec<usize>) -> Self {
        let indices = places.into_iter().map(|place| self.indices[place]).collect();
        Self { indices, ..self.clone() }
    }

    /// Keeps at most `limit` images, evenly spread: the classes stand one after the other.
    pub fn spread(&mut self, limit: usize) {
        spread(&mut self.indices, limit);
    }

    /// What is left to train on, and the fold that is tested.
    fn fold(&self, data: &DataRecipe) -> Result<(Self, Self), RunnerError> {
        let fold = folds(&self.labels(), data.folds, data.split_seed)?.swap_remove(data.fold);
        Ok((self.pick(fold.train), self.pick(fold.held_out)))
    }

    /// The same as a source, in the order of the whole.
    fn into_source(mut self) -> Arc<dyn Labelled> {
        self.indices.sort_unstable();
        only(self.source, &self.indices)
    }
}

/// The recipe's data set in the parts that training would have, each a source, nothing decoded; with
/// why each image was left out that cannot be read.
///
/// # Errors
/// Data that cannot be opened; settings that cannot be used.
pub fn split_dataset(
    recipe: &Recipe,
    registry: &Registry,
) -> Result<(Dataset, Vec<String>), RunnerError> {
    let Splits { name, train, validation, test, faults, .. } = Splits::open(recipe, registry)?;
    let there = |items: &Items| !items.indices.is_empty();
    let dataset = Dataset {
        name,
        train: train.into_source(),
        validation: validation.filter(there).map(Items::into_source),
        test: Some(test).filter(there).map(Items::into_source),
    };
    Ok((dataset, faults))
}

/// The recipe's data set, with the classes that it wants; what was left out by reason.
fn open_dataset(data: &DataRecipe, registry: &Registry) -> Result<(Dataset, LeftOut), RunnerError> {
    let mut dataset = registry.dataset(&data.source, &data.columns())?;
    let mut change = |change: &mut dyn FnMut(Arc<dyn Labelled>) -> Result<_, RunnerError>| {
        dataset.train = change(dataset.train.clone())?;
        dataset.validation = dataset.validation.take().map(&mut *change).transpose()?;
        dataset.test = dataset.test.take().map(&mut *change).transpose()?;
        Ok::<(), RunnerError>(())
    };
    if !data.classes.is_empty() {
        change(&mut |source| Ok(keep_classes(source, &data.classes)?))?;
    }
    let parts = [Some(&dataset.train), dataset.validation.as_ref(), dataset.test.as_ref()];
    let mut left_out = LeftOut::default();
    parts.into_iter().flatten().for_each(|source| left_out.extend(source.left_out()));
    Ok((dataset, left_out))
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
