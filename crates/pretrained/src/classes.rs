//! Which classes of a model the classes of some data are.

use taper_dataset::source::{class_number, class_places};
use taper_model::weights::HeadClasses;

/// The names that an error or a note has of a long list.
const SHOWN: usize = 5;

/// Which classes of a model the classes of some data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMatch {
    /// For each class of the data its place in the model; none for one that the model does not have.
    pub places: Vec<Option<usize>>,
    /// Whether one side has names and the other nothing but numbers, so that the number alone says which
    /// class is which.
    pub by_number: bool,
}

/// Finds the classes of some data among those of a model: by name, whole numbers by value
/// ([`class_places`]). Where one side has names and the other numbers, the number is the place among the
/// names; if it is the model that has numbers, there have to be as many classes on both sides.
///
/// ```
/// let names = |text: &str| -> Vec<String> { text.split(' ').map(String::from).collect() };
/// let found = taper_pretrained::match_classes(&names("2 0"), &names("ant bee cat"));
/// assert_eq!((found.places, found.by_number), (vec![Some(2), Some(0)], true));
/// ```
pub fn match_classes(data: &[String], model: &[String]) -> ClassMatch {
    let are_numbers = |names: &[String]| names.iter().all(|name| class_number(name).is_some());
    let places = class_places(data, model);
    match (are_numbers(data), are_numbers(model)) {
        _ if places.iter().any(Option::is_some) => ClassMatch { places, by_number: false },
        (true, false) => {
            ClassMatch { places: class_places(data, &numbered(model.len())), by_number: true }
        }
        (false, true) if data.len() == model.len() => {
            ClassMatch { places: (0..data.len()).map(Some).collect(), by_number: true }
        }
        _ => ClassMatch { places, by_number: false },
    }
}

impl ClassMatch {
    /// What becomes of a head that has as many classes as the data: `model` are its names.
    pub fn head(&self, model: &[String]) -> HeadClasses {
        match self.places.iter().copied().collect::<Option<Vec<usize>>>() {
            Some(rows) if rows.iter().copied().eq(0..model.len()) => HeadClasses::Same,
            Some(rows) => HeadClasses::Reordered(rows),
            None => HeadClasses::Others(format!("the file's classes are {}", shortened(model))),
        }
    }

    /// That the classes are known by number alone, as a warning; none where they are known by name.
    pub fn warning(&self, data: &[String], model: &[String]) -> Option<String> {
        let pairs = data.iter().zip(&self.places);
        let pair =
            pairs.filter_map(|(name, place)| Some((name, model.get((*place)?)?))).next_back();
        let (name, taken) = pair.filter(|_| self.by_number)?;
        Some(format!(
            "the classes of the data ({}) and those of the model ({}) match by number alone: `{name}` is taken \
             for `{taken}`. If they are not the same classes in the same order, no score on this data says anything",
            shortened(data),
            shortened(model)
        ))
    }
}

/// The names of classes that have none: `0`, `1` and so on.
pub fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// The first names of a list.
pub fn shortened(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    fn found(data: &str, model: &str) -> (Vec<Option<usize>>, bool) {
        let ClassMatch { places, by_number } = match_classes(&names(data), &names(model));
        (places, by_number)
    }

    #[test]
    fn classes_are_found_by_name_and_whole_numbers_by_value() {
        assert_eq!(found("cat dog", "cat dog"), (vec![Some(0), Some(1)], false));
        assert_eq!(found("cat owl", "owl ant cat"), (vec![Some(2), Some(0)], false));
        assert_eq!(found("cat dog", "ant cat"), (vec![Some(1), None], false));
        assert_eq!(found("cat dog", "ant bee"), (vec![None, None], false));
        assert_eq!(found("00 10", "LABEL_10 LABEL_0"), (vec![Some(1), Some(0)], false));
        // Digits among the classes of a reader are digits.
        assert_eq!(found("1 0", "0 1 none"), (vec![Some(1), Some(0)], false));
        assert_eq!(found("7 8", "0 1"), (vec![None, None], false));
    }

    #[test]
    fn names_against_numbers_match_by_number_alone() {
        assert_eq!(found("0 10 2", "a b c d"), (vec![Some(0), None, Some(2)], true));
        assert_eq!(found("cat dog", "LABEL_0 LABEL_1"), (vec![Some(0), Some(1)], true));
        // Nobody knows which two of three.
        assert_eq!(found("cat dog", "0 1 2"), (vec![None, None], false));
        let (data, model) = (names("0 1"), names("ant bee"));
        let warning = match_classes(&data, &model).warning(&data, &model).unwrap();
        assert!(
            warning.starts_with(
                "the classes of the data (0, 1) and those of the model (ant, bee) match by number alone: \
                 `1` is taken for `bee`."
            ),
            "{warning}"
        );
        assert_eq!(match_classes(&data, &data).warning(&data, &data), None);
    }

    #[test]
    fn a_head_of_other_classes_is_made_anew_and_says_of_which() {
        let head = |data: &str, model: &str| {
            match_classes(&names(data), &names(model)).head(&names(model))
        };
        let note = "the file's classes are g, h, i, j, k, …".to_string();
        assert_eq!(head("a b c d e f", "g h i j k l"), HeadClasses::Others(note));
        assert_eq!(head("a b", "0 1"), HeadClasses::Same);
        assert_eq!(head("00 01", "0 1"), HeadClasses::Same);
        assert_eq!(head("a b", "b a"), HeadClasses::Reordered(vec![1, 0]));
        assert!(matches!(head("a c", "a b"), HeadClasses::Others(_)));
    }
}
