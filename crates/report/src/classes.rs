//! What a run came to class by class: the confusion matrix, scores, samples.

use std::fmt::Write;

use taper_metrics::{ClassificationReport, ConfusionMatrix, Scores};

use crate::html::escape;

/// Classes up to which the whole matrix is shown; of more, those that are confused most.
const WHOLE: usize = 24;

/// True classes down, predicted ones across; shaded by the share of the true class.
pub(crate) fn confusion(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let k = matrix.num_classes();
    let shown: Vec<usize> = match k <= WHOLE {
        true => (0..k).collect(),
        false => most_confused(matrix),
    };
    let mut html = String::new();
    if k > WHOLE {
        let _ = write!(
            html,
            "<p class=\"note\">The {} of {k} classes that are confused most.</p>",
            shown.len()
        );
    }
    html += "<p class=\"note\">Rows are what the images are, columns what the net said. Blue: right; red: \
             wrong; the stronger, the larger the share of the row.</p>\
             <div class=\"scroll\"><table class=\"confusion\"><thead><tr><th></th>";
    for &class in &shown {
        let name = escape(&names[class]);
        let long = if names[class].chars().count() > 4 { " class=\"long\"" } else { "" };
        let _ = write!(html, "<th{long} title=\"said {name}\">{name}</th>");
    }
    html += "</tr></thead><tbody>";
    let support = matrix.support();
    for &truth in &shown {
        let name = escape(&names[truth]);
        let _ = write!(html, "<tr><th title=\"{name}\">{name}</th>");
        for &said in &shown {
            let count = matrix.count(truth, said);
            let share = count as f64 / support[truth].max(1) as f64;
            // A single mistake among thousands is seen too.
            let alpha = if count == 0 { 0.0 } else { 0.16 + 0.84 * share.sqrt() };
            let mut class = if truth == said { "right" } else { "" }.to_string();
            if alpha > 0.55 {
                class += " dark";
            }
            if count == 0 {
                class += " zero";
            }
            let _ = write!(
                html,
                "<td class=\"{}\" style=\"--a:{alpha:.2}\" title=\"{name}, said {}: {count} of {}\">\
                 {count}</td>",
                class.trim(),
                escape(&names[said]),
                support[truth]
            );
        }
        html += "</tr>";
    }
    html += "</tbody></table></div>";
    html + &pairs(matrix, names)
}

/// The classes with the most mistakes, as truth or as answer, in their own order.
fn most_confused(matrix: &ConfusionMatrix) -> Vec<usize> {
    let (support, predicted) = (matrix.support(), matrix.predicted());
    let wrong = |class: usize| support[class] + predicted[class] - 2 * matrix.count(class, class);
    let mut classes: Vec<usize> = (0..matrix.num_classes()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(wrong(class)));
    classes.truncate(WHOLE);
    classes.sort_unstable();
    classes
}

/// The mistakes that are made most often, in words.
fn pairs(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let k = matrix.num_classes();
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for truth in 0..k {
        for said in (0..k).filter(|&said| said != truth) {
            pairs.push((matrix.count(truth, said), truth, said));
        }
    }
    pairs.retain(|(count, ..)| *count > 0);
    pairs.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let told: Vec<String> = pairs
        .iter()
        .take(5)
        .map(|(count, truth, said)| {
            format!("{} taken for {} ({count})", escape(&names[*truth]), escape(&names[*said]))
        })
        .collect();
    match told.is_empty() {
        true => String::new(),
        false => format!("<p class=\"note\">Most often: {}.</p>", told.join(", ")),
    }
}

/// Precision, recall, F1 and the number of images of each class; no scores of one that has no image and is
/// no answer.
pub(crate) fn table(report: &ClassificationReport) -> String {
    let mut html = "<div class=\"scroll\"><table class=\"wide\"><thead><tr><th>Class</th>\
                    <th>Precision</th><th>Recall</th><th>F1</th><th>Held out</th></tr></thead><tbody>"
        .to_string();
    let number = |value: f64| {
        format!(
            "{value:.4}<span class=\"meter\" style=\"--v:{:.0}%\"></span>",
            100.0 * value.clamp(0.0, 1.0)
        )
    };
    let mut row = |name: &str, scores: &Scores, is_absent: bool| {
        let cells = [scores.precision, scores.recall, scores.f1].map(|value| match is_absent {
            true => "–".to_string(),
            false => number(value),
        });
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            cells.join("</td><td>"),
            scores.support
        );
    };
    for class in &report.classes {
        row(&class.name, &class.scores, class.is_absent());
    }
    row("macro average", &report.macro_average, false);
    row("weighted average", &report.weighted_average, false);
    html + "</tbody></table></div>"
}

/// How many images of each class each part has.
pub(crate) fn samples(class_names: &[String], parts: &[(&str, &[usize])]) -> String {
    let parts: Vec<_> = parts.iter().filter(|(_, counts)| !counts.is_empty()).collect();
    let totals: Vec<usize> = (0..class_names.len())
        .map(|class| parts.iter().map(|(_, counts)| counts[class]).sum())
        .collect();
    let most = totals.iter().copied().max().unwrap_or(1).max(1);
    let mut html = "<span class=\"legend\">".to_string();
    for (color, (name, _)) in parts.iter().enumerate() {
        let _ = write!(html, "<span><i class=\"key c{color}\"></i>{name}</span>");
    }
    html += "</span><div class=\"scroll\"><table class=\"wide\"><thead><tr><th>Class</th>";
    for (name, _) in &parts {
        let _ = write!(html, "<th>{name}</th>");
    }
    html += "<th style=\"width:45%\"></th></tr></thead><tbody>";
    for (class, name) in class_names.iter().enumerate() {
        let _ = write!(html, "<tr><td>{}</td>", escape(name));
        for (_, counts) in &parts {
            let _ = write!(html, "<td>{}</td>", counts[class]);
        }
        html += "<td><div class=\"stack\">";
        for (color, (_, counts)) in parts.iter().enumerate() {
            let width = 100.0 * counts[class] as f64 / most as f64;
            let _ = write!(html, "<i class=\"c{color}\" style=\"width:{width:.2}%\"></i>");
        }
        html += "</div></td></tr>";
    }
    html + "</tbody></table></div>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(k: usize) -> Vec<String> {
        (0..k).map(|class| format!("<{class}>")).collect()
    }

    #[test]
    fn every_count_of_a_small_matrix_is_shown_and_names_are_escaped() {
        let matrix = ConfusionMatrix::from_counts(2, vec![90, 10, 3, 97]).unwrap();
        let html = confusion(&matrix, &names(2));
        for cell in [">90<", ">10<", ">3<", ">97<"] {
            assert!(html.contains(cell), "{html}");
        }
        assert!(html.contains("&lt;0&gt; taken for &lt;1&gt; (10)"), "{html}");
        assert!(!html.contains("<0>"));
    }

    #[test]
    fn of_many_classes_the_most_confused_are_shown() {
        let k = 100;
        let mut counts = vec![0; k * k];
        (0..k).for_each(|class| counts[class * k + class] = 10);
        counts[70 * k + 80] = 5;
        let matrix = ConfusionMatrix::from_counts(k, counts).unwrap();
        let html = confusion(&matrix, &names(k));
        assert!(html.contains("The 24 of 100 classes"), "{html}");
        assert!(html.contains("&lt;70&gt; taken for &lt;80&gt; (5)"), "{html}");
        assert_eq!(html.matches("<tr>").count(), 25);
    }
}
