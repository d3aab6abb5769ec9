//! Whether two lists of classes are the same ones.

use taper_model::weights::HeadClasses;

/// The names that an error or a note has of a long list.
const SHOWN: usize = 5;

/// How the classes of some data fit those of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    /// The same, in the same order.
    Same,
    /// The same in another order: for each class of the data its place in the model.
    Reordered(Vec<usize>),
    /// Names that are none, on one side or both: nobody knows.
    Unknown,
    /// Others.
    Others,
}

/// Compares the names of as many classes.
pub(crate) fn matches(data: &[String], model: &[String]) -> Match {
    if data == model {
        return Match::Same;
    }
    let place = |name: &String| model.iter().position(|known| known == name);
    match data.iter().map(place).collect::<Option<Vec<usize>>>() {
        Some(places) if data.len() == model.len() => Match::Reordered(places),
        _ if !are_names(data) || !are_names(model) => Match::Unknown,
        _ => Match::Others,
    }
}

/// What becomes of a head for as many classes.
pub(crate) fn head_classes(data: &[String], model: &[String]) -> HeadClasses {
    match matches(data, model) {
        Match::Same | Match::Unknown => HeadClasses::Same,
        Match::Reordered(rows) => HeadClasses::Reordered(rows),
        Match::Others => {
            HeadClasses::Others(format!("the file's classes are {}", shortened(model)))
        }
    }
}

/// The first names of a list.
pub(crate) fn shortened(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// Whether any of them says more than a number, as transformers' `LABEL_0` does not.
fn are_names(names: &[String]) -> bool {
    let is_number = |name: &String| name.trim_start_matches("LABEL_").parse::<u64>().is_ok();
    !names.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn classes_are_compared_by_name_where_they_have_names() {
        let found = |data: &str, model: &str| matches(&names(data), &names(model));
        assert_eq!(found("cat dog", "cat dog"), Match::Same);
        assert_eq!(found("cat dog owl", "owl cat dog"), Match::Reordered(vec![1, 2, 0]));
        assert_eq!(found("cat dog", "ant bee"), Match::Others);
        assert_eq!(found("cat dog", "LABEL_0 LABEL_1"), Match::Unknown);
        assert_eq!(found("0 1", "ant bee"), Match::Unknown);
        assert_eq!(found("cat dog", ""), Match::Unknown);
    }

    #[test]
    fn a_head_of_other_classes_is_made_anew_and_says_of_which() {
        let classes = head_classes(&names("a b c d e f"), &names("g h i j k l"));
        let note = "the file's classes are g, h, i, j, k, …".to_string();
        assert_eq!(classes, HeadClasses::Others(note));
        assert_eq!(head_classes(&names("a b"), &names("0 1")), HeadClasses::Same);
        let reordered = head_classes(&names("a b"), &names("b a"));
        assert_eq!(reordered, HeadClasses::Reordered(vec![1, 0]));
    }
}
