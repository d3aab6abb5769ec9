//! Train, validation and test parts, and folds, with every class in its share.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::{Purpose, Random};

/// How to cut a list of items into three parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitConfig {
    /// Share of all items that become the test part. Default 0.2.
    pub test: f64,
    /// Seed that chooses the test part and nothing else, so that it can stay the same while the
    /// run's seed changes. Default 0.
    pub test_seed: u64,
    /// Share of all items that become the validation part. Default 0.
    pub validation: f64,
    /// Seed that chooses the validation part. Default 0.
    pub validation_seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        SplitConfig { test: 0.2, test_seed: 0, validation: 0.0, validation_seed: 0 }
    }
}

/// One of the three parts that a data set is used in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// What is trained on.
    Train,
    /// What settings are chosen with.
    Validation,
    /// What nothing is chosen with.
    Test,
}

impl Split {
    /// The split of a name, in upper or lower case: `train`, `training`, `val`, `valid`,
    /// `validation`, `dev`, `test`, `testing`, `eval` or `evaluation`, with `set`, `data`, `images` or `split` behind
    /// it or not (`trainset`, `test_images`). That `eval` is a test part is the Hub's library's rule.
    ///
    /// ```
    /// use taper_dataset::split::Split;
    ///
    /// assert_eq!(Split::named("Val"), Some(Split::Validation));
    /// assert_eq!(Split::named("test_images"), Some(Split::Test));
    /// assert_eq!(Split::named("tests"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let more =
            ["set", "data", "images", "split"].iter().find_map(|more| name.strip_suffix(more));
        match more.unwrap_or(&name).trim_end_matches(['-', '_', ' ']) {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validation" | "dev" => Some(Split::Validation),
            "test" | "testing" | "eval" | "evaluation" => Some(Split::Test),
            _ => None,
        }
    }
}

impl Split {
    /// The split that a piece of a name says, the pieces lying between `-`, `.` and `_`: `seg_train`,
    /// `data-test.parquet`. The first such piece counts.
    pub(crate) fn within(name: &str) -> Option<Self> {
        name.split(['-', '.', '_']).find_map(Split::named)
    }
}

/// Something for each split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Splits<T> {
    /// That of what is trained on.
    pub train: T,
    /// That of what settings are chosen with.
    pub validation: T,
    /// That of what nothing is chosen with.
    pub test: T,
}

impl<T> Splits<T> {
    /// That of one split.
    pub fn get_mut(&mut self, split: Split) -> &mut T {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }
}

/// Cuts `labels` into three parts with every class in its share: sorted lists of places, which
/// together are the whole.
///
/// A part of share `f` gets `f` times all items, rounded. Each class gives its share rounded down,
/// then the classes whose share lost most by that give one more, the lower class first in a tie,
/// until the part is full. No class gives its last item, which stays in the train part: of classes with
/// one item each the other parts get none. Which items of a class go is random by the part's own seed: the test part
/// depends on labels, `test` and `test_seed` alone.
///
/// # Errors
///
/// When a share is not a number from 0 to 1, or the two add up to more than 1.
///
/// ```
/// use taper_dataset::split::{SplitConfig, stratified};
///
/// let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
/// let split = stratified(&labels, &SplitConfig::default())?;
/// assert_eq!(split.test.len(), 2);
/// assert_ne!(labels[split.test[0]], labels[split.test[1]]);
/// assert_eq!(split.train.len(), 8);
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn stratified(labels: &[u32], config: &SplitConfig) -> Result<Splits<Vec<usize>>> {
    let shares = [("test share", config.test), ("validation share", config.validation)];
    for (name, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::setting(name, "a number from 0 to 1", share));
        }
    }
    // A tolerance for shares such as 0.9 + 0.1 that are decimal fractions.
    if config.test + config.validation > 1.0 + 1e-9 {
        return Err(Error::setting(
            "validation share",
            format!("at most what the test share leaves, {}", 1.0 - config.test),
            config.validation,
        ));
    }
    let all: Vec<usize> = (0..labels.len()).collect();
    let test_count = (config.test * labels.len() as f64).round() as usize;
    let (rest, test) = draw(labels, all, test_count, config.test_seed, Purpose::TestSplit);
    let validation_count = (config.validation * labels.len() as f64).round() as usize;
    let (train, validation) =
        draw(labels, rest, validation_count, config.validation_seed, Purpose::ValidationSplit);
    Ok(Splits { train, validation, test })
}

/// Draws `count` of `items`, every class in its share: (what is left, what was drawn), both sorted.
fn draw(
    labels: &[u32],
    items: Vec<usize>,
    count: usize,
    seed: u64,
    purpose: Purpose,
) -> (Vec<usize>, Vec<usize>) {
    let count = count.min(items.len());
    let total = items.len().max(1);
    let mut classes = by_class(labels, items);
    // Shares are count * size / total, in whole numbers: quotient and remainder.
    let share = |class: &[usize]| {
        let product = count as u128 * class.len() as u128;
        ((product / total as u128) as usize, product % total as u128)
    };
    // One of each class is left.
    let most = |class: &[usize]| class.len() - 1;
    let mut quotas: Vec<usize> =
        classes.iter().map(|class| share(class).0.min(most(class))).collect();
    let mut by_remainder: Vec<usize> = (0..classes.len()).collect();
    by_remainder
        .retain(|&class| share(&classes[class]).1 > 0 && quotas[class] < most(&classes[class]));
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share(&classes[class]).1)); // stable
    let missing = count - quotas.iter().sum::<usize>();
    for &class in by_remainder.iter().take(missing) {
        quotas[class] += 1;
    }

    let (mut left, mut drawn) = (Vec::new(), Vec::new());
    for (class, quota) in classes.iter_mut().zip(quotas) {
        // The class's own label addresses its numbers: other classes do not matter.
        let label = class.first().map_or(0, |&item| labels[item]);
        Random::new(seed, purpose, 0, u64::from(label)).shuffle(class);
        drawn.extend_from_slice(&class[..quota]);
        left.extend_from_slice(&class[quota..]);
    }
    left.sort_unstable();
    drawn.sort_unstable();
    (left, drawn)
}

/// Places in `labels`, sorted: at most `count` of each class, drawn with the seed.
///
/// A smaller count gives a part of what a larger one gives.
///
/// ```
/// use taper_dataset::split::per_class;
///
/// let few = per_class(&[0, 0, 0, 1, 1], 2, 7);
/// assert_eq!(few.len(), 4);
/// assert_eq!(few[2..], [3, 4]);
/// ```
pub fn per_class(labels: &[u32], count: usize, seed: u64) -> Vec<usize> {
    let mut kept = Vec::new();
    for mut class in by_class(labels, (0..labels.len()).collect()) {
        let label = class.first().map_or(0, |&item| labels[item]);
        Random::new(seed, Purpose::PerClass, 0, u64::from(label)).shuffle(&mut class);
        kept.extend(class.into_iter().take(count));
    }
    kept.sort_unstable();
    kept
}

/// The items of each class that has any, by ascending label.
fn by_class(labels: &[u32], items: Vec<usize>) -> Vec<Vec<usize>> {
    let mut classes = std::collections::BTreeMap::<u32, Vec<usize>>::new();
    for item in items {
        classes.entry(labels[item]).or_default().push(item);
    }
    classes.into_values().collect()
}

/// One of k ways to hold a part out, both lists sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// All items but the held-out ones.
    pub train: Vec<usize>,
    /// The items that this fold, and no other, holds out.
    pub held_out: Vec<usize>,
}

/// Cuts `labels` into `count` folds with every class in its share.
///
/// How many of each class a fold holds out is what scikit-learn's `StratifiedKFold` gives (with
/// labels sorted by class, every `count`-th item goes to the same fold; classes are numbered by
/// their first appearance). Which items these are is random by `seed`, and not scikit-learn's choice.
///
/// The lists hold places in `labels`: when those belong to a part of a source, map them through the
/// part's indices.
///
/// # Errors
///
/// When `count` is below 2, or no class has that many items.
///
/// ```
/// use taper_dataset::split::folds;
///
/// let folds = folds(&[0, 0, 1, 1, 0, 1], 3, 7)?;
/// assert_eq!(folds.len(), 3);
/// assert!(folds.iter().all(|fold| fold.held_out.len() == 2 && fold.train.len() == 4));
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn folds(labels: &[u32], count: usize, seed: u64) -> Result<Vec<Fold>> {
    let classes = by_first_appearance(labels);
    let largest = classes.iter().map(Vec::len).max().unwrap_or(0);
    if count < 2 || count > largest {
        return Err(Error::setting(
            "number of folds",
            format!("2 to {largest}, the size of the largest class"),
            count,
        ));
    }
    let mut fold_of = vec![0; labels.len()];
    let mut start = 0; // place of the class's first item in the list sorted by class
    for mut class in classes {
        Random::new(seed, Purpose::Folds, 0, u64::from(labels[class[0]])).shuffle(&mut class);
        // Of the places start.. of the sorted list, fold f owns those that are f modulo count.
        let mut owners: Vec<usize> = (start..start + class.len()).map(|p| p % count).collect();
        owners.sort_unstable();
        start += class.len();
        for (item, fold) in class.into_iter().zip(owners) {
            fold_of[item] = fold;
        }
    }
    let fold = |fold| {
        let (held_out, train) = (0..labels.len()).partition(|&item| fold_of[item] == fold);
        Fold { train, held_out }
    };
    Ok((0..count).map(fold).collect())
}

/// The items of each class, the class that appears first coming first.
fn by_first_appearance(labels: &[u32]) -> Vec<Vec<usize>> {
    let mut classes = by_class(labels, (0..labels.len()).collect());
    classes.sort_by_key(|class| class[0]);
    classes
}

#[cfg(test)]
mod tests;
