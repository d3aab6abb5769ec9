//! The most confident mistakes: what the image was, what the net said, and where it looked.

use candle_core::Device;
use taper_classifier::{Evaluation, images_of, top_k};
use taper_dataset::{Image, Part};
use taper_model::nets::Net;

use super::html::{escape, percent};
use super::picture;
use crate::error::RunnerError;
use crate::saliency::saliency;

/// How many are shown.
const SHOWN: usize = 12;

/// Images whose gradients are computed at once.
const AT_ONCE: usize = 4;

/// An image that a net was wrong about.
pub(crate) struct Mistake {
    /// The image's name in its source.
    pub item: String,
    /// As the net saw it, before normalization.
    pub image: Image,
    /// How much each pixel moved the net towards its answer, 0 to 1.
    pub saliency: Vec<f32>,
    /// The true class.
    pub truth: u32,
    /// The most probable classes and their probabilities, most probable first.
    pub said: Vec<(u32, f32)>,
    /// The probability of the true class.
    pub truth_probability: f32,
}

/// The mistakes with the highest probability of the wrong class, highest first, of an evaluation
/// of a part in its own order.
///
/// # Errors
/// An image that cannot be read; the net's.
pub(crate) fn most_confident(
    net: &Net,
    part: &Part,
    evaluation: &Evaluation,
    device: &Device,
) -> Result<Vec<Mistake>, RunnerError> {
    let classes = evaluation.num_classes();
    let row = |place: usize| &evaluation.probabilities[place * classes..(place + 1) * classes];
    let mut wrong: Vec<(usize, f32)> = Vec::new();
    for (place, (said, &label)) in
        evaluation.predictions().iter().zip(&evaluation.labels).enumerate()
    {
        if *said != label {
            wrong.push((place, row(place)[*said as usize]));
        }
    }
    // Stable: of equal ones the first of the source stands first.
    wrong.sort_by(|a, b| b.1.total_cmp(&a.1));
    wrong.truncate(SHOWN);

    let mut mistakes = Vec::with_capacity(wrong.len());
    for places in wrong.chunks(AT_ONCE) {
        let places: Vec<usize> = places.iter().map(|(place, _)| *place).collect();
        let indices: Vec<usize> = places.iter().map(|&place| part.indices()[place]).collect();
        let answers: Vec<u32> = places.iter().map(|&place| top_k(row(place), 1)[0]).collect();
        let input = images_of(&part.items(&indices)?, device)?;
        let saliencies = saliency(net, &input, &answers)?;
        for ((place, index), saliency) in places.into_iter().zip(indices).zip(saliencies) {
            let truth = evaluation.labels[place];
            let said = top_k(row(place), 3).into_iter();
            mistakes.push(Mistake {
                item: part.source().item_name(index),
                image: part.preprocessing().prepare(part.source(), index)?,
                saliency,
                truth,
                said: said.map(|class| (class, row(place)[class as usize])).collect(),
                truth_probability: row(place)[truth as usize],
            });
        }
    }
    Ok(mistakes)
}

/// The mistakes as cards.
pub(super) fn cards(mistakes: &[Mistake], class_names: &[String], n: usize) -> String {
    if mistakes.is_empty() {
        return format!("<p class=\"none\">None: all {n} held-out images are named right.</p>");
    }
    let name = |class: u32| escape(&class_names[class as usize]);
    let mut html =
        "<p class=\"note\">Left the image as the net saw it, right where it looked: the \
                    pixels that move its answer most are warm.</p><div class=\"mistakes\">"
            .to_string();
    for mistake in mistakes {
        let (answer, probability) = mistake.said[0];
        let heat = picture::heat(&mistake.image, &mistake.saliency);
        let picture = |image: &Image, what: &str| {
            let class = if picture::is_small(image) { " class=\"pixels\"" } else { "" };
            match picture::address(image) {
                Ok(address) => format!(
                    "<img{class} width=\"{}\" height=\"{}\" alt=\"{what}\" src=\"{address}\">",
                    image.width, image.height
                ),
                Err(_) => String::new(),
            }
        };
        let others: Vec<String> = mistake.said[1..]
            .iter()
            .map(|(class, probability)| {
                format!("{} {}", name(*class), percent(f64::from(*probability)))
            })
            .collect();
        html += &format!(
            "<div class=\"mistake\"><div class=\"pair\">{}{}</div>\
             <p><b class=\"said\">{}</b> {}, is <b class=\"truth\">{}</b> ({})</p>\
             <p class=\"file\">then {}<br>{}</p></div>",
            picture(&mistake.image, &format!("an image of {}", name(mistake.truth))),
            picture(&heat, "where the net looked"),
            name(answer),
            percent(f64::from(probability)),
            name(mistake.truth),
            percent(f64::from(mistake.truth_probability)),
            others.join(", "),
            escape(&mistake.item),
        );
    }
    html + "</div>"
}
