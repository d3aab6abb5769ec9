//! The most confident mistakes: what the image was, what the net said, and where it looked.

use std::io::ErrorKind;

use taper_run_folder::Mistake;
use taper_untrusted::checksums::{self, TEXT};

use crate::html::{escape, image, percent};
use crate::record::Record;

/// Sides up to which the pixels of a picture are to be seen as such.
const SMALL: usize = 64;

/// The mistakes as cards.
pub(crate) fn cards(record: &Record) -> String {
    if let Some(error) = &record.results.mistakes_error {
        return format!("<p class=\"none\">They cannot be shown: {}</p>", escape(error));
    }
    let Some(mistakes) = &record.mistakes else {
        return "<p class=\"none\">The run has not recorded them: <code>log.report</code> was off, \
                or an older version made it.</p>"
            .to_string();
    };
    if mistakes.is_empty() {
        let (n, scored) = (record.results.after.n, record.results.data.scored);
        return format!("<p class=\"none\">None: all {n} {scored} images are named right.</p>");
    }
    let cards = mistakes.iter().map(|mistake| card(record, mistake));
    format!(
        "<p class=\"note\">Left the image as the net saw it, right where it looked: the pixels that \
         move its answer most are warm.</p><div class=\"mistakes\">{}</div>",
        cards.collect::<String>()
    )
}

fn card(record: &Record, mistake: &Mistake) -> String {
    let names = &record.results.data.class_names;
    let plain = |class: u32| names.get(class as usize).cloned().unwrap_or(class.to_string());
    let name = |class: u32| escape(&plain(class));
    let share = |probability: f32| percent(f64::from(probability));
    let size = Some([mistake.width, mistake.height]);
    let small = mistake.height.max(mistake.width) <= SMALL;
    // A picture that is gone is left out.
    let picture = |file: &str, what: &str| match checksums::read(
        &record.folder.mistakes().join(file),
        TEXT,
    ) {
        Ok(bytes) => image(&bytes, size, what, small),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            format!("<p class=\"note\">{}: {}</p>", escape(file), escape(&error.to_string()))
        }
    };
    let mut answers =
        mistake.answers.iter().map(|answer| (name(answer.class), share(answer.probability)));
    let (said, probability) = answers.next().unwrap_or_default();
    let others: Vec<String> =
        answers.map(|(name, probability)| format!("{name} {probability}")).collect();
    format!(
        "<div class=\"mistake\"><div class=\"pair\">{}{}</div>\
         <p><b class=\"said\">{said}</b> {probability}, is <b class=\"truth\">{}</b> ({})</p>\
         <p class=\"file\">then {}<br>{}</p></div>",
        picture(&mistake.picture, &format!("an image of {}", plain(mistake.truth))),
        picture(&mistake.saliency, "where the net looked"),
        name(mistake.truth),
        share(mistake.truth_probability),
        others.join(", "),
        escape(&mistake.item),
    )
}
