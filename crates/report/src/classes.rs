//! What a run came to class by class: the confusion matrix, scores, samples.

use std::fmt::Write;

use taper_metrics::text::shortened;
use taper_metrics::{ClassificationReport, ConfusionMatrix, Scores};
use taper_run_folder::ScoredPart;

use crate::html::escape;

/// Classes up to which the whole matrix is shown; of more, those of the pairs that are confused most.
const WHOLE: usize = 24;

/// Classes up to which a table of them stands on the page; of more, the ends of an order.
const TABLE: usize = 50;
/// Columns of a class's name beyond which a page has its beginning alone.
const LONGEST: usize = 200;
/// Rows of each end.
const END: usize = 10;

/// A table with a row for each class. Of many classes those with the highest and the lowest `value`, and all of
/// them folded away; `value`, which a class may lack, is called `what`.
pub(crate) fn class_table(
    head: &str,
    rows: &[String],
    foot: &str,
    what: &str,
    value: impl Fn(usize) -> Option<f64>,
) -> String {
    let table = |rows: String| {
        format!(
            "<div class=\"scroll\"><table class=\"wide\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>\
             </table></div>"
        )
    };
    let n = rows.len();
    if n <= TABLE {
        return table(rows.concat() + foot);
    }
    let mut order: Vec<(usize, f64)> =
        (0..n).filter_map(|class| Some((class, value(class)?))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let some = |end: &[(usize, f64)]| -> String {
        end.iter().map(|(class, _)| rows[*class].as_str()).collect()
    };
    // No class is at both ends.
    let (most, rest) = order.split_at(END.min(order.len()));
    let least = &rest[rest.len().saturating_sub(END)..];
    format!(
        "<p class=\"note\">Of {n} classes the {} with the highest {what}:</p>{}<p class=\"note\">The {} with \
         the lowest:</p>{}<details><summary>All {n} classes</summary>{}</details>",
        most.len(),
        table(some(most)),
        least.len(),
        table(some(least) + foot),
        table(rows.concat())
    )
}

/// True classes down, predicted ones across; shaded by the share of the true class.
pub(crate) fn confusion(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let k = matrix.num_classes();
    let shown: Vec<usize> = match k <= WHOLE {
        true => (0..k).collect(),
        false => most_confused(matrix),
    };
    if shown.is_empty() {
        return "<p class=\"none\">No class is taken for another.</p>".to_string();
    }
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
        let name = escape(&shortened(&names[class], LONGEST));
        let long = if names[class].chars().count() > 4 { " class=\"long\"" } else { "" };
        let _ = write!(html, "<th{long} title=\"said {name}\">{name}</th>");
    }
    html += "</tr></thead><tbody>";
    let support = matrix.support();
    // A long name would stand in every cell.
    let names: Vec<String> = names.iter().map(|name| shortened(name, LONGEST)).collect();
    for &truth in &shown {
        let name = escape(&names[truth]);
        let _ = write!(html, "<tr><th title=\"{name}\">{name}</th>");
        for &said in &shown {
            let count = matrix.count(truth, said);
            let share = count as f64 / support[truth].max(1) as f64;
            // A single mistake among thousands is seen too.
            let alpha = if count == 0 { 0.0 } else { 0.16 + 0.84 * share.sqrt() };
            let class = match (count, truth == said) {
                (0, _) => "zero",
                (_, true) => "right",
                _ => "",
            };
            let told = if count == 0 { String::new() } else { count.to_string() };
            let _ = write!(
                html,
                "<td class=\"{class}\" style=\"--a:{alpha:.2}\" title=\"{name}, said {}: {count} of {}\">\
                 {told}</td>",
                escape(&names[said]),
                support[truth]
            );
        }
        html += "</tr>";
    }
    html += "</tbody></table></div>";
    html + &pairs(matrix, &names)
}

/// The classes of the pairs that are confused most, in their own order.
fn most_confused(matrix: &ConfusionMatrix) -> Vec<usize> {
    let mut classes = Vec::with_capacity(WHOLE);
    for class in confused(matrix).into_iter().flat_map(|(_, truth, said)| [truth, said]) {
        if classes.len() < WHOLE && !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes.sort_unstable();
    classes
}

/// The mistakes: how often, true class, predicted class; the most frequent first.
fn confused(matrix: &ConfusionMatrix) -> Vec<(u64, usize, usize)> {
    let pairs = matrix.pairs().filter(|(truth, said, _)| truth != said);
    let mut pairs: Vec<_> =
        pairs.map(|(truth, said, count)| (count, truth as usize, said as usize)).collect();
    pairs.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    pairs
}

/// The mistakes that are made most often, in words.
fn pairs(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let told: Vec<String> = confused(matrix)
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

/// Precision, recall, F1 and the number of scored images of each class; no scores of one that has no image and is
/// no answer.
pub(crate) fn table(report: &ClassificationReport, scored: ScoredPart) -> String {
    let number = |value: f64| {
        format!(
            "{value:.4}<span class=\"meter\" style=\"--v:{:.0}%\"></span>",
            100.0 * value.clamp(0.0, 1.0)
        )
    };
    let row = |name: &str, scores: &Scores, is_absent: bool| {
        let cells = [scores.precision, scores.recall, scores.f1].map(|value| match is_absent {
            true => "–".to_string(),
            false => number(value),
        });
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&shortened(name, LONGEST)),
            cells.join("</td><td>"),
            scores.support
        )
    };
    let rows = report.classes.iter();
    let rows: Vec<String> =
        rows.map(|class| row(&class.name, &class.scores, class.is_absent())).collect();
    let averages = row("macro average", &report.macro_average, false)
        + &row("weighted average", &report.weighted_average, false);
    let images = match scored {
        ScoredPart::Test => "Held out",
        ScoredPart::Validation => "Validation",
        ScoredPart::Train => "Training",
    };
    let head =
        format!("<th>Class</th><th>Precision</th><th>Recall</th><th>F1</th><th>{images}</th>");
    let f1 = |class: usize| {
        let class = &report.classes[class];
        (!class.is_absent()).then_some(class.scores.f1)
    };
    class_table(&head, &rows, &averages, "F1", f1)
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
    html += "</span>";
    let names: String = parts.iter().map(|(name, _)| format!("<th>{name}</th>")).collect();
    let head = format!("<th>Class</th>{names}<th style=\"width:45%\"></th>");
    let row = |(class, name): (usize, &String)| {
        let counts: String =
            parts.iter().map(|(_, counts)| format!("<td>{}</td>", counts[class])).collect();
        let bars = parts.iter().enumerate().map(|(color, (_, counts))| {
            let width = 100.0 * counts[class] as f64 / most as f64;
            format!("<i class=\"c{color}\" style=\"width:{width:.2}%\"></i>")
        });
        let bars: String = bars.collect();
        format!(
            "<tr><td>{}</td>{counts}<td><div class=\"stack\">{bars}</div></td></tr>",
            escape(&shortened(name, LONGEST))
        )
    };
    let rows: Vec<String> = class_names.iter().enumerate().map(row).collect();
    html + &class_table(&head, &rows, "", "number of images", |class| Some(totals[class] as f64))
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
    fn no_class_is_among_the_highest_and_the_lowest() {
        let rows: Vec<String> = (0..60).map(|class| format!("<tr>{class}.</tr>")).collect();
        let html = class_table("", &rows, "", "F1", |class| (class < 15).then_some(class as f64));
        // At one end, and in the table of all.
        let often: Vec<usize> =
            (0..60).map(|class| html.matches(&format!("<tr>{class}.</tr>")).count()).collect();
        assert!((0..60).all(|class| often[class] == if class < 15 { 2 } else { 1 }), "{often:?}");
        assert!(
            html.contains("the 10 with the highest F1") && html.contains("The 5 with"),
            "{html}"
        );
    }

    #[test]
    fn of_many_classes_the_most_confused_are_shown() {
        let k = 100;
        let mut counts = vec![0; k * k];
        (0..k).for_each(|class| counts[class * k + class] = 10);
        (0..40).for_each(|class| counts[class * k + class + 50] = 1);
        counts[70 * k + 80] = 5;
        let matrix = ConfusionMatrix::from_counts(k, counts).unwrap();
        let html = confusion(&matrix, &names(k));
        assert!(html.contains("The 24 of 100 classes"), "{html}");
        assert!(html.contains("&lt;70&gt; taken for &lt;80&gt; (5)"), "{html}");
        assert_eq!(html.matches("<tr>").count(), 25);
    }
}
