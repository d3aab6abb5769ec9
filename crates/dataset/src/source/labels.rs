//! Labels as lists and tables give them: numbers or names, in any order.

use std::collections::BTreeMap;

use crate::source::class_names::{class_number, class_places, sort_class_names};

/// Labels that are being collected; what the classes are is known at the end.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// Names of the numbers 0, 1, …, where the data says them.
    names: Option<Vec<String>>,
    /// The different labels, and a number for each by first appearance.
    distinct: BTreeMap<String, u32>,
    numbers: Vec<u32>,
    /// Bytes that the different labels take.
    bytes: usize,
}

/// The most bytes that different labels may take.
const LIMIT: usize = 256 << 20;

/// What each takes beside its letters.
const EACH: usize = 64;

impl Labels {
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Sets the names that the numbers 0, 1, … stand for.
    pub(crate) fn name(&mut self, names: Vec<String>) {
        self.names = Some(names);
    }

    /// Adds a label that is a number.
    pub(crate) fn add_number(&mut self, number: i64) {
        let named = usize::try_from(number).ok();
        let name = named.and_then(|number| self.names.as_ref()?.get(number).cloned());
        self.add(name.unwrap_or_else(|| number.to_string()));
    }

    /// Adds a label that is a float; false where it is no whole number.
    pub(crate) fn add_float(&mut self, number: f64) -> bool {
        // What is larger may have been rounded.
        let whole = number.fract() == 0.0 && number.abs() < 2f64.powi(53);
        if whole {
            self.add_number(number as i64);
        }
        whole
    }

    /// Adds a label that is a boolean, called as pandas and Python call them.
    pub(crate) fn add_boolean(&mut self, value: bool) {
        self.add(if value { "True" } else { "False" }.to_owned());
    }

    /// Adds a label that is a name.
    pub(crate) fn add(&mut self, name: String) {
        let (next, letters) = (self.distinct.len() as u32, name.len());
        let number = *self.distinct.entry(name).or_insert(next);
        self.numbers.push(number);
        if number == next {
            self.bytes += letters + EACH;
        }
    }

    /// Whether the different labels take more memory than those of classes do.
    pub(crate) fn too_many(&self) -> bool {
        self.bytes > LIMIT
    }

    /// As [`finish`](Self::finish); where all labels, and classes that are given, are whole numbers and the
    /// data says no names, `1.0` is `1`: a column of integers becomes one of floats as soon as one is missing.
    pub(crate) fn finish_by_value(
        mut self,
        given: Option<&[String]>,
    ) -> Result<(Vec<u32>, Vec<String>), String> {
        let is_whole = |name: &String| class_number(name).is_some();
        let mut names = self.distinct.keys().chain(given.into_iter().flatten());
        if self.names.is_none() && names.all(is_whole) {
            let names: BTreeMap<u32, String> =
                self.distinct.iter().map(|(name, &number)| (number, name.clone())).collect();
            let numbers = std::mem::take(&mut self).numbers;
            for name in numbers.iter().map(|number| &names[number]) {
                self.add(name.strip_suffix(".0").unwrap_or(name).to_owned());
            }
        }
        self.finish(given)
    }

    /// The class of each label, and the classes' names: those given; else those the data says; else
    /// the different labels in the order of [`sort_class_names`]. Whole numbers are found among given ones by
    /// value.
    ///
    /// # Errors
    ///
    /// A label that is none of the classes given or said.
    pub(crate) fn finish(
        self,
        given: Option<&[String]>,
    ) -> Result<(Vec<u32>, Vec<String>), String> {
        let mut different: Vec<String> = self.distinct.keys().cloned().collect();
        sort_class_names(&mut different);
        let names = given.map(<[_]>::to_vec).or(self.names).unwrap_or_else(|| different.clone());
        let places = class_places(&different, &names);
        let places: BTreeMap<&String, Option<usize>> = different.iter().zip(places).collect();
        let mut classes = vec![0; self.distinct.len()];
        for (label, &number) in &self.distinct {
            let place = places[label].ok_or_else(|| {
                format!(
                    "its class `{label}` is none of the {} classes (`{}`, …)",
                    names.len(),
                    names.first().map_or("", String::as_str)
                )
            })?;
            classes[number as usize] = place as u32;
        }
        Ok((self.numbers.iter().map(|&number| classes[number as usize]).collect(), names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Labels {
        let mut labels = Labels::default();
        names.iter().for_each(|name| labels.add(name.to_string()));
        labels
    }

    #[test]
    fn numbers_are_ordered_by_value_and_names_by_their_bytes() {
        let (classes, names) = labels(&["10", "9", "10", "-1"]).finish(None).unwrap();
        assert_eq!(
            (classes, names),
            (vec![2, 1, 2, 0], ["-1", "9", "10"].map(String::from).into())
        );
        let (classes, names) = labels(&["b", "a", "10"]).finish(None).unwrap();
        assert_eq!((classes, names), (vec![2, 1, 0], ["10", "a", "b"].map(String::from).into()));
    }

    #[test]
    fn numbers_take_the_names_that_the_data_says() {
        let mut labels = Labels::default();
        labels.name(["cat", "dog", "emu"].map(String::from).into());
        [1, 0, 1].into_iter().for_each(|number| labels.add_number(number));
        let (classes, names) = labels.finish(None).unwrap();
        assert_eq!((classes, names.len()), (vec![1, 0, 1], 3));
    }

    #[test]
    fn whole_numbers_are_the_same_however_they_are_written() {
        // A column of integers becomes one of floats as soon as one is missing.
        let (classes, names) = labels(&["10.0", "2.0", "2", "0.0"]).finish_by_value(None).unwrap();
        assert_eq!((classes, names), (vec![2, 1, 1, 0], ["0", "2", "10"].map(String::from).into()));
        let given = ["0", "2", "10"].map(String::from);
        assert_eq!(labels(&["02", "10.0"]).finish_by_value(Some(&given)).unwrap().0, [1, 2]);
        // Versions are names.
        let (_, names) = labels(&["1.0", "1.5", "1"]).finish_by_value(None).unwrap();
        assert_eq!(names, ["1", "1.0", "1.5"]);
        assert_eq!(labels(&["1.0"]).finish_by_value(Some(&names)).unwrap().0, [1]);
        let mut said = Labels::default();
        said.name(["1.0", "1.5", "2.0"].map(String::from).into());
        [2, 0].into_iter().for_each(|number| said.add_number(number));
        assert_eq!(said.finish_by_value(None).unwrap().0, [2, 0]);
        // Folders stay two.
        let (classes, names) = labels(&["10.0", "1.0", "1"]).finish(None).unwrap();
        assert_eq!(
            (classes, names),
            (vec![2, 1, 0], ["1", "1.0", "10.0"].map(String::from).into())
        );
    }

    #[test]
    fn a_label_that_is_no_class_is_an_error() {
        let given = ["a".to_owned(), "b".to_owned()];
        assert_eq!(labels(&["b"]).finish(Some(&given)).unwrap().0, [1]);
        let error = labels(&["c"]).finish(Some(&given)).unwrap_err();
        assert_eq!(error, "its class `c` is none of the 2 classes (`a`, …)");
    }
}
