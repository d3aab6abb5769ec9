//! A data set looked at as a whole: what is in its parts, what is twice in them, what is broken.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;
use serde::Serialize;

use crate::describe::{Description, Normalization, Tally};
use crate::image::Image;
use crate::source::{Dataset, Labelled, has_image_ending};

/// What a data set looks like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The data set's path or name.
    pub name: String,
    /// Its parts: `train`, and `validation` and `test` where it brings them.
    pub parts: Vec<InspectedPart>,
    /// Images that are there more than once, pixel for pixel; at most 100 groups are listed.
    pub duplicates: Vec<Duplicates>,
    /// Groups of equal images within one part.
    pub groups_within: usize,
    /// Groups of equal images that more than one part has: what is trained on is tested on.
    pub groups_across: usize,
    /// Groups of equal images whose classes differ.
    pub conflicts: usize,
    /// Name and number of training images of the smallest class.
    pub smallest_class: Option<(String, usize)>,
    /// Mean and deviation of the train part's channels.
    pub normalize: Normalization,
}

/// How many groups of equal images are listed.
const GROUPS: usize = 100;

/// One part of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedPart {
    /// `train`, `validation` or `test`.
    pub name: &'static str,
    /// Counts, sizes and values of what can be read.
    pub description: Description,
    /// How many files have which ending, where items are files.
    pub endings: BTreeMap<String, usize>,
    /// How the pixels of how many files are stored, where items are files.
    pub stored: BTreeMap<String, usize>,
    /// One message for each item that cannot be read.
    pub faults: Vec<String>,
}

/// Images that are equal pixel for pixel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Part, name and class of each.
    pub items: Vec<(&'static str, String, String)>,
}

/// Looks at every image of a data set once, in parallel. Images that cannot be read are listed and
/// else left out.
///
/// ```
/// let inspection = taper_dataset::inspect::inspect(&taper_dataset::open("digits")?);
/// assert_eq!(inspection.parts[0].description.count, 1797);
/// assert_eq!(inspection.smallest_class, Some(("8".to_owned(), 174)));
/// assert_eq!((inspection.groups_within, inspection.conflicts), (0, 0));
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn inspect(dataset: &Dataset) -> Inspection {
    let parts = [
        ("train", Some(&dataset.train)),
        ("validation", dataset.validation.as_ref()),
        ("test", dataset.test.as_ref()),
    ];
    let parts: Vec<_> = parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect();
    let looks: Vec<Look> = parts.iter().map(|(_, part)| Look::at(part.as_ref())).collect();

    // Every picture: where it is.
    let mut seen = BTreeMap::<u128, Vec<(usize, usize)>>::new();
    for (part, look) in looks.iter().enumerate() {
        for &(item, hash) in &look.hashes {
            seen.entry(hash).or_default().push((part, item));
        }
    }
    let mut groups: Vec<_> = seen.into_values().filter(|places| places.len() > 1).collect();
    groups.sort();
    let across = |places: &&Vec<(usize, usize)>| places.iter().any(|place| place.0 != places[0].0);
    let class = |&(part, item): &(usize, usize)| {
        let source = parts[part].1;
        &source.class_names()[source.label(item) as usize]
    };
    let differ = |places: &&Vec<(usize, usize)>| {
        places.iter().any(|place| class(place) != class(&places[0]))
    };
    let groups_across = groups.iter().filter(across).count();
    let conflicts = groups.iter().filter(differ).count();
    let groups_within = groups.len() - groups_across;
    // Leaks first, then what is labelled twice.
    groups.sort_by_key(|places| (!across(&places), !differ(&places)));
    let listed = groups.iter().take(GROUPS).map(|places| {
        let item = |place: &(usize, usize)| {
            (parts[place.0].0, parts[place.0].1.item_name(place.1), class(place).clone())
        };
        Duplicates { items: places.iter().map(item).collect() }
    });
    let duplicates = listed.collect();

    let parts: Vec<InspectedPart> = parts
        .iter()
        .zip(looks)
        .map(|((name, part), look)| look.into_part(name, part.as_ref()))
        .collect();
    let train = &parts[0].description;
    let normalize = Normalization::of(train);
    let smallest_class = train.classes.iter().min_by_key(|(_, count)| *count).cloned();
    Inspection {
        name: dataset.name.clone(),
        parts,
        duplicates,
        groups_within,
        groups_across,
        conflicts,
        smallest_class,
        normalize,
    }
}

/// What one pass over a part finds.
#[derive(Default)]
struct Look {
    tally: Tally,
    /// Items that can be read, with a hash of size and pixels.
    hashes: Vec<(usize, u128)>,
    stored: BTreeMap<String, usize>,
    faults: Vec<String>,
}

impl Look {
    fn at(source: &dyn Labelled) -> Self {
        let items: Vec<usize> = (0..source.len()).collect();
        let looks: Vec<Look> = items
            .par_chunks(64)
            .map(|items| {
                items.iter().fold(Look::default(), |mut look, &item| {
                    match source.decode(item) {
                        Ok(image) => {
                            look.hashes.push((item, hash(&image)));
                            if let Some(kind) = source.stored(item) {
                                *look.stored.entry(kind).or_default() += 1;
                            }
                            look.tally = std::mem::take(&mut look.tally).with(&image);
                        }
                        Err(error) => look.faults.push(error.to_string()),
                    }
                    look
                })
            })
            .collect();
        looks.into_iter().fold(Look::default(), |mut all, look| {
            all.tally = all.tally.plus(&look.tally);
            all.hashes.extend(look.hashes);
            all.faults.extend(look.faults);
            for (kind, count) in look.stored {
                *all.stored.entry(kind).or_default() += count;
            }
            all
        })
    }

    fn into_part(self, name: &'static str, source: &dyn Labelled) -> InspectedPart {
        let items: Vec<usize> = self.hashes.iter().map(|(item, _)| *item).collect();
        let mut endings = BTreeMap::new();
        for &item in &items {
            let name = source.item_name(item);
            if let Some(ending) = std::path::Path::new(&name).extension()
                && has_image_ending(name.as_ref())
            {
                let ending = ending.to_string_lossy().to_ascii_lowercase();
                *endings.entry(ending).or_insert(0) += 1;
            }
        }
        let description = self.tally.describe(source, &items);
        InspectedPart { name, description, endings, stored: self.stored, faults: self.faults }
    }
}

/// 128 bits, so that two different images of any data set hardly ever agree.
fn hash(image: &Image) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, image.size(), &image.pixels).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::InMemory;

    fn part(pixels: &[u8], labels: &[u32]) -> Arc<dyn Labelled> {
        let names = vec!["a".to_owned(), "b".to_owned()];
        Arc::new(InMemory::new("x", [1, 1, 1], pixels.to_vec(), labels.to_vec(), names).unwrap())
    }

    #[test]
    fn copies_are_found_within_and_across_parts() {
        let dataset = Dataset {
            name: "x".to_owned(),
            // 7 twice; 9 also in the test part, as another class; 5 only there.
            train: part(&[7, 9, 7, 1], &[0, 0, 0, 1]),
            validation: None,
            test: Some(part(&[5, 9], &[0, 1])),
        };
        let found = inspect(&dataset);
        assert_eq!((found.groups_within, found.groups_across, found.conflicts), (1, 1, 1));
        let leak: Vec<_> = found.duplicates[0].items.iter().map(|i| (i.0, &*i.2)).collect();
        assert_eq!(leak, [("train", "a"), ("test", "b")]);
        assert_eq!(found.duplicates[1].items[1].1, "x item 2");
        assert_eq!(found.smallest_class, Some(("b".to_owned(), 1)));
        assert_eq!(found.parts[1].description.count, 2);
        assert!((found.normalize.mean[0] - 6.0 / 255.0).abs() < 1e-12);
    }

    #[test]
    fn broken_files_are_listed_and_the_rest_is_described() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            let file = |name: &str| folder.path().join(class).join(name);
            ::image::GrayImage::new(2, 3).save(file("1.png")).unwrap();
            std::fs::write(file("2.jpg"), "text").unwrap();
        }
        let dataset = crate::open(folder.path().to_str().unwrap()).unwrap();
        let part = &inspect(&dataset).parts[0];
        assert_eq!((part.faults.len(), part.description.count), (2, 2));
        assert!(part.faults[0].contains("2.jpg is not a readable image"), "{}", part.faults[0]);
        assert_eq!(part.endings, BTreeMap::from([("png".to_owned(), 2)]));
        assert_eq!(part.stored, BTreeMap::from([("grey".to_owned(), 2)]));
        assert_eq!(part.description.sizes, [([3, 2, 1], 2)]);
    }
}
