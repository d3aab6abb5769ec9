//! Labels as lists and tables give them: numbers or names, in any order.

use std::collections::BTreeMap;

use crate::source::class_names::sort_class_names;

/// Labels that are being collected; what the classes are is known at the end.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// Names of the numbers 0, 1, …, where the data says them.
    names: Option<Vec<String>>,
    /// The different labels, and a number for each by first appearance.
    distinct: BTreeMap<String, u32>,
    numbers: Vec<u32>,
}

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

    /// Adds a label that is a name.
    pub(crate) fn add(&mut self, name: String) {
        let next = self.distinct.len() as u32;
        self.numbers.push(*self.distinct.entry(name).or_insert(next));
    }

    /// The class of each label, and the classes' names: those given; else those the data says; else
    /// the different labels, by value if all are numbers, else in byte order.
    ///
    /// # Errors
    ///
    /// A label that is none of the classes given or said.
    pub(crate) fn finish(
        self,
        given: Option<&[String]>,
    ) -> Result<(Vec<u32>, Vec<String>), String> {
        let names = match given.map(<[_]>::to_vec).or(self.names) {
            Some(names) => names,
            None => {
                let mut names: Vec<String> = self.distinct.keys().cloned().collect();
                sort_class_names(&mut names);
                names
            }
        };
        let places: BTreeMap<&str, u32> =
            names.iter().enumerate().map(|(place, name)| (&**name, place as u32)).collect();
        let mut classes = vec![0; self.distinct.len()];
        for (name, &number) in &self.distinct {
            let Some(&place) = places.get(&**name) else {
                return Err(format!(
                    "its label `{name}` is none of the {} classes (`{}`, …)",
                    names.len(),
                    names.first().map_or("", String::as_str)
                ));
            };
            classes[number as usize] = place;
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
    fn a_label_that_is_no_class_is_an_error() {
        let given = ["a".to_owned(), "b".to_owned()];
        assert_eq!(labels(&["b"]).finish(Some(&given)).unwrap().0, [1]);
        let error = labels(&["c"]).finish(Some(&given)).unwrap_err();
        assert_eq!(error, "its label `c` is none of the 2 classes (`a`, …)");
    }
}
