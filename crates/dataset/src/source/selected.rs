//! Some items of a source, perhaps with fewer classes.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::class_names::class_places;
use crate::source::images::{Images, Labelled};
use crate::source::left_out::LeftOut;

/// A source that shows some items of another one.
struct Selected {
    original: Arc<dyn Labelled>,
    /// Item of the original, and its class here; ordered by class.
    items: Vec<(usize, u32)>,
    class_names: Vec<String>,
    note: String,
}

/// Only the items of these classes, numbered in this order; whole numbers are found by value.
///
/// # Errors
///
/// When a name is none of the source's classes, comes twice, or none is given.
///
/// ```
/// use std::sync::Arc;
/// use taper_dataset::source::{embedded, keep_classes};
/// use taper_dataset::{Images, Labelled};
///
/// let names = ["7".to_owned(), "1".to_owned()];
/// let source = keep_classes(Arc::new(embedded::digits()), &names)?;
/// assert_eq!(source.len(), 179 + 182);
/// assert_eq!((source.label(0), source.class_names()), (0, &names[..]));
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn keep_classes(source: Arc<dyn Labelled>, names: &[String]) -> Result<Arc<dyn Labelled>> {
    let known = source.class_names();
    let there_are = || match known {
        [first, second, third, .., last] if known.len() > 8 => {
            format!("{first}, {second}, {third}, …, {last}")
        }
        known => known.join(", "),
    };
    let mut numbers = vec![None; known.len()];
    for (number, (name, place)) in names.iter().zip(class_places(names, known)).enumerate() {
        let Some(place) = place else {
            return Err(Error::NoClass { name: name.clone(), known: there_are() });
        };
        if numbers[place].replace(number as u32).is_some() {
            let found = format!("{}: `{name}` stands there twice", names.join(", "));
            return Err(Error::setting("`data.classes`", "every class once", found));
        }
    }
    if names.is_empty() {
        let expected = format!("names out of {}", there_are());
        return Err(Error::setting("`data.classes`", expected, "empty"));
    }
    let class = |item: usize| Some((item, numbers[source.label(item) as usize]?));
    let mut items: Vec<(usize, u32)> = (0..source.len()).filter_map(class).collect();
    items.sort_by_key(|(_, class)| *class); // stable
    let note = format!("classes {} only", names.join(", "));
    let class_names = names.to_vec();
    Ok(Arc::new(Selected { original: source, items, class_names, note }))
}

/// Some items, which are listed in ascending order; the source itself where they are all.
pub fn only(source: Arc<dyn Labelled>, kept: &[usize]) -> Arc<dyn Labelled> {
    if kept.len() == source.len() {
        return source;
    }
    let items = kept.iter().map(|&item| (item, source.label(item))).collect();
    let class_names = source.class_names().to_vec();
    let note = format!("{} of {} of them", kept.len(), source.len());
    Arc::new(Selected { original: source, items, class_names, note })
}

/// Some items, in the order given, each with its number among other classes.
pub(crate) fn relabelled(
    source: Arc<dyn Labelled>,
    items: Vec<(usize, u32)>,
    class_names: &[String],
) -> Arc<dyn Labelled> {
    let note = format!("{} of {} of them", items.len(), source.len());
    Arc::new(Selected { original: source, items, class_names: class_names.to_vec(), note })
}

impl Images for Selected {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        self.original.decode(self.items[index].0)
    }

    fn item_name(&self, index: usize) -> String {
        self.original.item_name(self.items[index].0)
    }

    fn describe(&self) -> String {
        format!("{} ({})", self.original.describe(), self.note)
    }

    /// What the original left out; nothing where no item is taken, as for a part that is not there.
    fn left_out(&self) -> LeftOut {
        if self.is_empty() { LeftOut::default() } else { self.original.left_out() }
    }

    fn in_memory(&self) -> bool {
        self.original.in_memory()
    }

    fn stored(&self, index: usize) -> Option<String> {
        self.original.stored(self.items[index].0)
    }
}

impl Labelled for Selected {
    fn label(&self, index: usize) -> u32 {
        self.items[index].1
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::embedded;

    fn message(names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        match keep_classes(Arc::new(embedded::digits()), &names) {
            Err(error) => error.to_string(),
            Ok(source) => source.describe(),
        }
    }

    #[test]
    fn classes_that_are_not_there_are_an_error() {
        assert_eq!(
            message(&["1", "x"]),
            "`data.classes`: there is no class `x`; there are 0, 1, 2, …, 9"
        );
        assert_eq!(
            message(&["1", "1"]),
            "`data.classes` is 1, 1: `1` stands there twice, expected every class once"
        );
        assert_eq!(message(&[]), "`data.classes` is empty, expected names out of 0, 1, 2, …, 9");
        assert!(message(&["1", "0"]).ends_with("10 classes (classes 1, 0 only)"));
        assert!(message(&["01", "00"]).ends_with("10 classes (classes 01, 00 only)"));
    }

    #[test]
    fn some_items_keep_their_order() {
        let whole: Arc<dyn Labelled> = Arc::new(embedded::digits());
        let kept: Vec<usize> = (0..1797).filter(|item| ![0, 2].contains(item)).collect();
        let rest = only(whole.clone(), &kept);
        assert_eq!(rest.len(), 1795);
        assert_eq!(rest.item_name(0), whole.item_name(1));
        assert_eq!(rest.decode(1).unwrap(), whole.decode(3).unwrap());
        assert_eq!(rest.labels()[1700], whole.label(1702));
    }
}
