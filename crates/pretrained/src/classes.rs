//! Whether two lists of classes are the same ones.

use taper_model::weights::HeadClasses;

/// The names that an error or a note has of a long list.
const SHOWN: usize = 5;

/// How the classes of some data fit those of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassMatch {
    /// The same, in the same order.
    Same,
    /// The same in another order: for each class of the data its place in the model.
    Reordered(Vec<usize>),
    /// Numbers in place of names, on one side or both: nobody knows.
    Unknown,
    /// Other classes.
    Others,
}

/// Compares the names of the classes of some data with those of a model that has as many.
pub fn match_classes(data: &[String], model: &[String]) -> ClassMatch {
    if data == model {
        return ClassMatch::Same;
    }
    let place = |name: &String| model.iter().position(|known| known == name);
    match data.iter().map(place).collect::<Option<Vec<usize>>>() {
        Some(places) if data.len() == model.len() => ClassMatch::Reordered(places),
        _ if !are_names(data) || !are_names(model) => ClassMatch::Unknown,
        _ => ClassMatch::Others,
    }
}

/// What becomes of a head that has as many classes as the data.
pub fn head_classes(data: &[String], model: &[String]) -> HeadClasses {
    match match_classes(data, model) {
        ClassMatch::Same | ClassMatch::Unknown => HeadClasses::Same,
        ClassMatch::Reordered(rows) => HeadClasses::Reordered(rows),
        ClassMatch::Others => {
            HeadClasses::Others(format!("the file's classes are {}", shortened(model)))
        }
    }
}

/// The first names of a list.
pub fn shortened(names: &[String]) -> String {
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
        let found = |data: &str, model: &str| match_classes(&names(data), &names(model));
        assert_eq!(found("cat dog", "cat dog"), ClassMatch::Same);
        assert_eq!(found("cat dog owl", "owl cat dog"), ClassMatch::Reordered(vec![1, 2, 0]));
        assert_eq!(found("cat dog", "ant bee"), ClassMatch::Others);
        assert_eq!(found("cat dog", "LABEL_0 LABEL_1"), ClassMatch::Unknown);
        assert_eq!(found("0 1", "ant bee"), ClassMatch::Unknown);
        assert_eq!(found("cat dog", ""), ClassMatch::Unknown);
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
