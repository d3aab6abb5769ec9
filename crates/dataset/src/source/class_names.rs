//! Names of classes: their order, and which of one list are which of another.

use std::collections::{BTreeMap, BTreeSet};

/// The whole number that a name is: `7`, `007` and, as tables of floats write it, `7.0`; and
/// transformers' `LABEL_7`.
pub fn class_number(name: &str) -> Option<i64> {
    let name = name.strip_prefix("LABEL_").unwrap_or(name);
    name.strip_suffix(".0").unwrap_or(name).parse().ok()
}

/// Puts names in their order: by value if all are whole numbers, else by their bytes.
///
/// ```
/// let mut names = ["10", "9", "11"].map(String::from);
/// taper_dataset::source::sort_class_names(&mut names);
/// assert_eq!(names, ["9", "10", "11"]);
/// ```
pub fn sort_class_names(names: &mut [String]) {
    names.sort();
    if names.iter().all(|name| class_number(name).is_some()) {
        names.sort_by_key(|name| class_number(name)); // stable
    }
}

/// For each name its place among those that are known: of the same name, else of the same whole
/// number. Two names never have the same place.
///
/// ```
/// let names = |text: &str| -> Vec<String> { text.split(' ').map(String::from).collect() };
/// let places = |of: &str, known: &str| {
///     taper_dataset::source::class_places(&names(of), &names(known))
/// };
/// assert_eq!(places("cat dog", "dog emu cat"), [Some(2), Some(0)]);
/// assert_eq!(places("00 03 11", "LABEL_0 LABEL_3"), [Some(0), Some(1), None]);
/// ```
pub fn class_places(names: &[String], known: &[String]) -> Vec<Option<usize>> {
    let by_name: BTreeMap<&str, usize> =
        known.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let by_number = numbers(known);
    let (given, only_one) = (names.iter().collect::<BTreeSet<_>>(), numbers(names));
    let place = |(at, name): (usize, &String)| {
        let number = || {
            let number = class_number(name)?;
            let place = by_number.get(&number).copied().flatten()?;
            let is_free =
                only_one.get(&number) == Some(&Some(at)) && !given.contains(&known[place]);
            is_free.then_some(place)
        };
        by_name.get(name.as_str()).copied().or_else(number)
    };
    names.iter().enumerate().map(place).collect()
}

/// The place of each number; none for one that comes twice, such as `0` and `00`.
fn numbers(names: &[String]) -> BTreeMap<i64, Option<usize>> {
    let mut places = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        if let Some(number) = class_number(name) {
            let twice = places.contains_key(&number);
            places.insert(number, (!twice).then_some(place));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn whole_numbers_are_ordered_by_value_and_names_by_their_bytes() {
        for (given, sorted) in [
            ("0 1 10 11 2", "0 1 2 10 11"),
            ("010 9 -1", "-1 9 010"),
            ("LABEL_10 LABEL_9", "LABEL_9 LABEL_10"),
            ("10.0 9.0 1", "1 9.0 10.0"),
            ("10.0 9.0 1.5", "1.5 10.0 9.0"),
            ("b 10 9 a", "10 9 a b"),
        ] {
            let mut given = names(given);
            sort_class_names(&mut given);
            assert_eq!(given, names(sorted));
        }
    }

    #[test]
    fn a_class_is_found_by_its_name_else_by_its_number() {
        let places = |of: &str, known: &str| class_places(&names(of), &names(known));
        assert_eq!(places("b a x", "a b c"), [Some(1), Some(0), None]);
        assert_eq!(places("00 01 10", "0 1 2 3 4 5 6 7 8 9 10"), [Some(0), Some(1), Some(10)]);
        assert_eq!(places("3 none", "LABEL_3 none"), [Some(0), Some(1)]);
        assert_eq!(places("1.0 2", "1.0 1.5 2.0"), [Some(0), Some(2)]);
        // Upper and lower case are two names.
        assert_eq!(places("Cat", "cat"), [None]);
    }

    #[test]
    fn numbers_that_come_twice_are_names() {
        let places = |of: &str, known: &str| class_places(&names(of), &names(known));
        assert_eq!(places("0 00", "0 1"), [Some(0), None]);
        assert_eq!(places("000", "0 00"), [None]);
        assert_eq!(places("0 00", "00 0"), [Some(1), Some(0)]);
        assert_eq!(places("01 001", "1"), [None, None]);
    }
}
