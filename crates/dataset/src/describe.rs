//! What a data set looks like, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::source::{Labelled, check_indices};

/// Sizes that are listed one by one.
const LISTED_SIZES: usize = 5;

/// Counts, sizes and values of some items of a source. Its `Display` is a short table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// What the source says of itself.
    pub source: String,
    /// Number of items looked at.
    pub count: usize,
    /// Name and number of items of every class, also of those without any.
    pub classes: Vec<(String, usize)>,
    /// Height, width, channels, and how many items have them; by ascending size.
    pub sizes: Vec<([usize; 3], usize)>,
    /// Smallest value, 0 to 255; 0 if there is no item.
    pub min: u8,
    /// Largest value, 0 to 255; 0 if there is no item.
    pub max: u8,
    /// Mean of each channel, in units of `value / 255`. Grey images count in every channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel (divided by n), in units of `value / 255`.
    pub std: Vec<f64>,
}

/// Looks at every one of the items (all of them without `indices`), in parallel.
///
/// Mean and standard deviation weigh every pixel alike, whatever the size of its image. All sums
/// are of whole numbers: neither order nor threads change the result.
///
/// # Errors
///
/// When an item cannot be decoded; the first one is named.
///
/// ```
/// use taper_dataset::{describe, source::embedded};
///
/// let description = describe(&embedded::digits(), None)?;
/// assert_eq!(description.sizes, [([8, 8, 1], 1797)]);
/// assert_eq!(description.classes[3], ("3".to_owned(), 183));
/// println!("{description}");
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn describe(source: &dyn Labelled, indices: Option<&[usize]>) -> Result<Description> {
    let all: Vec<usize>;
    let indices = match indices {
        Some(indices) => indices,
        None => {
            all = (0..source.len()).collect();
            &all
        }
    };
    describe_with(source, indices, |index| source.decode(index))
}

/// What images are normalized by: mean and standard deviation of each channel, in units of
/// `value / 255`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Normalization {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel (divided by n); 1 for a channel without variation.
    pub std: Vec<f64>,
}

impl Normalization {
    /// That of some of a source's items, as they are prepared.
    ///
    /// The sums are of whole numbers, so neither order nor threads change the result.
    ///
    /// # Errors
    ///
    /// When an item cannot be decoded or resized, or there is none.
    pub fn fit(
        source: &dyn Labelled,
        indices: &[usize],
        preprocessing: &Preprocessing,
    ) -> Result<Self> {
        preprocessing.check()?;
        let prepare = |index| preprocessing.prepare(source, index);
        let description = describe_with(source, indices, prepare)?;
        match indices.is_empty() {
            true => Err(Error::setting("number of items to normalize by", "at least 1", 0)),
            false => Ok(Self::of(&description)),
        }
    }

    /// That of the items described.
    pub(crate) fn of(description: &Description) -> Self {
        let std = description.std.iter().map(|&std| if std > 0.0 { std } else { 1.0 }).collect();
        Normalization { mean: description.mean.clone(), std }
    }
}

fn describe_with(
    source: &dyn Labelled,
    indices: &[usize],
    image: impl Fn(usize) -> Result<Image> + Sync,
) -> Result<Description> {
    check_indices(source, indices)?;
    // Items are taken in runs, so that the first fault in their order is the one reported.
    let runs: Vec<Result<Tally>> = indices
        .par_chunks(64)
        .map(|run| {
            run.iter().try_fold(Tally::default(), |tally, &index| Ok(tally.with(&image(index)?)))
        })
        .collect();
    let mut tally = Tally::default();
    for run in runs {
        tally = tally.plus(&run?);
    }

    Ok(tally.describe(source, indices))
}

/// Whole numbers that add up.
#[derive(Clone)]
pub(crate) struct Tally {
    sizes: BTreeMap<[usize; 3], usize>,
    values: [bool; 256],
    pixels: u128,
    sums: [u128; 3],
    squares: [u128; 3],
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            sizes: BTreeMap::new(),
            values: [false; 256],
            pixels: 0,
            sums: [0; 3],
            squares: [0; 3],
        }
    }
}

impl Tally {
    pub(crate) fn with(mut self, image: &Image) -> Self {
        *self.sizes.entry(image.size()).or_default() += 1;
        self.pixels += (image.height * image.width) as u128;
        for channel in 0..3 {
            // 64 bits hold the squares of 2^48 pixels, more than an image can have.
            let (mut sum, mut square) = (0u64, 0u64);
            for &value in image.pixels[channel % image.channels..].iter().step_by(image.channels) {
                self.values[usize::from(value)] = true;
                sum += u64::from(value);
                square += u64::from(value) * u64::from(value);
            }
            self.sums[channel] += u128::from(sum);
            self.squares[channel] += u128::from(square);
        }
        self
    }

    pub(crate) fn plus(mut self, other: &Tally) -> Self {
        for (&size, &count) in &other.sizes {
            *self.sizes.entry(size).or_default() += count;
        }
        for value in 0..256 {
            self.values[value] |= other.values[value];
        }
        self.pixels += other.pixels;
        for channel in 0..3 {
            self.sums[channel] += other.sums[channel];
            self.squares[channel] += other.squares[channel];
        }
        self
    }

    /// The description of the items of which this is the tally.
    pub(crate) fn describe(self, source: &dyn Labelled, indices: &[usize]) -> Description {
        let mut classes: Vec<(String, usize)> =
            source.class_names().iter().map(|name| (name.clone(), 0)).collect();
        for &index in indices {
            classes[source.label(index) as usize].1 += 1;
        }
        let channels = self.sizes.keys().map(|size| size[2]).max().unwrap_or(0);
        let moments = || (0..channels).map(|channel| self.moments(channel));
        Description {
            source: source.describe(),
            count: indices.len(),
            classes,
            min: self.values.iter().position(|&seen| seen).unwrap_or(0) as u8,
            max: self.values.iter().rposition(|&seen| seen).unwrap_or(0) as u8,
            mean: moments().map(|(mean, _)| mean).collect(),
            std: moments().map(|(_, std)| std).collect(),
            sizes: self.sizes.into_iter().collect(),
        }
    }

    /// Mean and standard deviation of a channel.
    fn moments(&self, channel: usize) -> (f64, f64) {
        let (n, sum, square) = (self.pixels, self.sums[channel], self.squares[channel]);
        let mean = sum as f64 / n as f64 / 255.0;
        // n * squares - sum^2, exact, so that equal values give exactly 0.
        let spread = (n * square - sum * sum) as f64;
        (mean, spread.sqrt() / n as f64 / 255.0)
    }
}

impl Description {
    /// The sizes in a line or two, width before height, the commonest first; of many also the smallest, the
    /// median and the largest by area.
    pub fn sizes_in_words(&self) -> Vec<String> {
        let shown = |[height, width, channels]: [usize; 3]| format!("{width}x{height}x{channels}");
        let mut sizes = self.sizes.clone();
        let mut lines = Vec::new();
        if sizes.len() > LISTED_SIZES {
            sizes.sort_by_key(|([height, width, _], _)| height * width);
            let mut before = 0;
            let median = sizes.iter().find(|(_, count)| {
                before += count;
                2 * before >= self.count
            });
            let ends = [("smallest", sizes.first()), ("median", median), ("largest", sizes.last())];
            let named = ends.into_iter().filter_map(|(name, size)| Some((name, size?.0)));
            lines.push(named.map(|(name, size)| format!("{name} {}", shown(size))).collect());
        }
        sizes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let common = sizes.iter().take(LISTED_SIZES);
        let mut common: Vec<String> =
            common.map(|(size, count)| format!("{}: {count}", shown(*size))).collect();
        if sizes.len() > LISTED_SIZES {
            common.push(format!("and {} more", sizes.len() - LISTED_SIZES));
        }
        lines.push(common);
        lines.into_iter().map(|line: Vec<String>| line.join(", ")).collect()
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.source)?;
        writeln!(f, "items   {}", self.count)?;
        for (place, size) in self.sizes_in_words().iter().enumerate() {
            let order = if place == 0 { " (width x height x channels)" } else { "" };
            writeln!(f, "size    {size}{order}")?;
        }
        writeln!(f, "values  {} to {}", self.min, self.max)?;
        for (channel, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            writeln!(f, "channel {channel}: mean {mean:.4}, std {std:.4} (of value / 255)")?;
        }
        for (name, count) in &self.classes {
            writeln!(f, "class   {name}: {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{InMemory, embedded};

    fn two_images() -> InMemory {
        let names = vec!["a".to_owned(), "b".to_owned()];
        InMemory::new("two", [1, 1, 3], vec![0, 51, 255, 102, 51, 255], vec![0, 0], names).unwrap()
    }

    #[test]
    fn every_channel_has_its_own_numbers() {
        let description = describe(&two_images(), None).unwrap();
        assert_eq!((description.min, description.max), (0, 255));
        assert_eq!(description.mean, [0.2, 0.2, 1.0]);
        assert_eq!(description.std, [0.2, 0.0, 0.0]);
        assert_eq!(
            description.to_string(),
            "two: 2 images of 1x1x3, 2 classes\nitems   2\nsize    1x1x3: 2 (width x height x \
             channels)\nvalues  0 to 255\n\
             channel 0: mean 0.2000, std 0.2000 (of value / 255)\n\
             channel 1: mean 0.2000, std 0.0000 (of value / 255)\n\
             channel 2: mean 1.0000, std 0.0000 (of value / 255)\nclass   a: 2\nclass   b: 0\n"
        );
    }

    #[test]
    fn many_sizes_are_told_by_their_extremes_and_the_commonest() {
        let sizes: Vec<_> =
            (1..=300).map(|side| ([side, 2 * side, 3], 1 + usize::from(side == 7))).collect();
        let description =
            Description { count: 301, sizes, ..describe(&two_images(), None).unwrap() };
        let lines = description.sizes_in_words();
        assert_eq!(lines[0], "smallest 2x1x3, median 300x150x3, largest 600x300x3");
        assert_eq!(lines[1], "14x7x3: 2, 2x1x3: 1, 4x2x3: 1, 6x3x3: 1, 8x4x3: 1, and 295 more");
        let text = description.to_string();
        assert_eq!(text.lines().filter(|line| line.starts_with("size")).count(), 2);
        let order = "size    smallest 2x1x3, median 300x150x3, largest 600x300x3 (width x height x channels)\n";
        assert!(text.contains(order), "{text}");
    }

    #[test]
    fn nothing_is_described_too() {
        let description = describe(&two_images(), Some(&[])).unwrap();
        assert_eq!((description.count, description.mean.len(), description.max), (0, 0, 0));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let source = embedded::digits();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| describe(&source, None).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn an_index_out_of_range_is_an_error() {
        let error = describe(&two_images(), Some(&[2])).unwrap_err().to_string();
        assert_eq!(error, "index is 2, expected below 2, the number of items");
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_chosen_items() {
        let names = vec!["a".to_owned()];
        let source =
            InMemory::new("x", [1, 2, 1], vec![0, 0, 0, 255, 9, 9], vec![0; 3], names).unwrap();
        let plain = Preprocessing::plain(1, 2, 1);
        let found = Normalization::fit(&source, &[0, 1], &plain).unwrap();
        assert_eq!(found.mean, [0.25]);
        assert!((found.std[0] - 0.1875f64.sqrt()).abs() < 1e-12);
        assert_eq!(Normalization::fit(&source, &[2], &plain).unwrap().std, [1.0]);
        assert!(Normalization::fit(&source, &[], &plain).is_err());
    }
}
