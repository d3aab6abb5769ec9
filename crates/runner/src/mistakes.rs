//! The most confident mistakes, recorded for the page: what the image was, what the net said, and
//! where it looked.

use std::path::Path;

use candle_core::Device;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};
use taper_classifier::{Evaluation, images_of, top_k};
use taper_dataset::{Image, Part};
use taper_model::nets::Net;
use taper_run_folder::{Answer, Mistake, RunFolder, write_whole};

use crate::error::RunnerError;
use crate::saliency::saliency;

/// How many are recorded.
const RECORDED: usize = 12;

/// Images whose gradients are computed at once.
const AT_ONCE: usize = 4;

/// Classes of an answer that are recorded.
const ANSWERS: usize = 3;

/// Sides up to which an image is kept to the pixel; larger ones become JPEG, which is far smaller.
const SMALL: usize = 64;

/// Writes `mistakes/` of a run: of an evaluation of a part in its own order, the mistakes with the
/// highest probability of the wrong class, highest first; `done` is told how many of how many are recorded.
///
/// # Errors
/// An image that cannot be read; the net's; a file that cannot be written.
pub(crate) fn record_mistakes(
    folder: &RunFolder,
    net: &Net,
    part: &Part,
    evaluation: &Evaluation,
    device: &Device,
    mut done: impl FnMut(usize, usize),
) -> Result<(), RunnerError> {
    let path = folder.mistakes();
    std::fs::create_dir_all(&path).map_err(RunnerError::io(&path))?;
    let row = |place: usize| {
        let classes = evaluation.num_classes();
        &evaluation.probabilities[place * classes..(place + 1) * classes]
    };
    let mut mistakes = Vec::with_capacity(RECORDED);
    let confident = most_confident(evaluation);
    for places in confident.chunks(AT_ONCE) {
        done(mistakes.len(), confident.len());
        let indices: Vec<usize> = places.iter().map(|&place| part.indices()[place]).collect();
        let wrong: Vec<u32> = places.iter().map(|&place| top_k(row(place), 1)[0]).collect();
        let input = images_of(&part.items(&indices)?, device)?;
        let saliencies = saliency(net, &input, &wrong)?;
        for ((&place, index), saliency) in places.iter().zip(indices).zip(saliencies) {
            let (truth, row) = (evaluation.labels[place], row(place));
            let answer = |class: u32| Answer { class, probability: row[class as usize] };
            let image = part.preprocessing().prepare(part.source(), index)?;
            let name = format!("{:02}", mistakes.len() + 1);
            mistakes.push(Mistake {
                item: part.source().item_name(index),
                height: image.height,
                width: image.width,
                picture: write_picture(&path, &name, &image)?,
                saliency: write_picture(
                    &path,
                    &format!("{name}-saliency"),
                    &heat(&image, &saliency),
                )?,
                truth,
                answers: top_k(row, ANSWERS).into_iter().map(answer).collect(),
                truth_probability: row[truth as usize],
            });
        }
    }
    done(mistakes.len(), confident.len());
    Ok(Mistake::write_all(folder, &mistakes)?)
}

/// The places of the mistakes in the evaluation, the most confident first.
fn most_confident(evaluation: &Evaluation) -> Vec<usize> {
    let classes = evaluation.num_classes();
    let answers = evaluation.predictions().into_iter().zip(&evaluation.labels).enumerate();
    let wrong = answers.filter(|(_, (said, label))| said != *label);
    let mut wrong: Vec<(usize, f32)> = wrong
        .map(|(place, (said, _))| {
            (place, evaluation.probabilities[place * classes + said as usize])
        })
        .collect();
    // Stable: of equal ones the first of the source stands first.
    wrong.sort_by(|a, b| b.1.total_cmp(&a.1));
    wrong.into_iter().map(|(place, _)| place).take(RECORDED).collect()
}

/// Writes an image as `NAME.png` or `NAME.jpg`; gives the file's name.
fn write_picture(folder: &Path, name: &str, image: &Image) -> Result<String, RunnerError> {
    let failed = |error| RunnerError::io(&folder.join(name))(std::io::Error::other(error));
    let (bytes, ending) = encoded(image).map_err(failed)?;
    let file = format!("{name}.{ending}");
    write_whole(&folder.join(&file), &bytes)?;
    Ok(file)
}

/// An image as a file's bytes, and the file's ending.
fn encoded(image: &Image) -> Result<(Vec<u8>, &'static str), ImageError> {
    let (width, height) = (image.width as u32, image.height as u32);
    let color = if image.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    if image.height.max(image.width) <= SMALL {
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(&image.pixels, width, height, color)?;
        return Ok((bytes, "png"));
    }
    let jpeg = JpegEncoder::new_with_quality(&mut bytes, 85);
    jpeg.write_image(&image.pixels, width, height, color)?;
    Ok((bytes, "jpg"))
}

/// The image in grey with a warm color where `weight` is high; `weight` has one number from 0 to 1
/// for each pixel.
pub(super) fn heat(image: &Image, weight: &[f32]) -> Image {
    const WARM: [f32; 3] = [255.0, 120.0, 20.0];
    let mut pixels = Vec::with_capacity(3 * weight.len());
    for (pixel, &weight) in image.pixels.chunks_exact(image.channels).zip(weight) {
        let grey = pixel.iter().map(|&value| f32::from(value)).sum::<f32>() / pixel.len() as f32;
        // The image keeps its light and dark below the color.
        let grey = 0.25 * 128.0 + 0.55 * grey;
        let weight = weight.clamp(0.0, 1.0) * 0.85;
        pixels.extend(WARM.map(|warm| (grey + weight * (warm - grey)).round() as u8));
    }
    Image { height: image.height, width: image.width, channels: 3, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_keep_their_pixels_and_large_ones_become_jpeg() {
        let (bytes, ending) = encoded(&Image::black(28, 28, 1)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && ending == "png");
        let (bytes, ending) = encoded(&Image::black(224, 224, 3)).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8, 0xff]) && ending == "jpg");
    }

    #[test]
    fn the_most_confident_mistakes_come_first_and_right_answers_never() {
        let names = vec!["a".to_string(), "b".to_string()];
        let logits = vec![0.0, 1.0, 0.0, 3.0, 9.0, 0.0, 0.0, 2.0];
        let evaluation = Evaluation::of_logits(names, vec![0, 0, 0, 0], logits, 0.1).unwrap();
        assert_eq!(most_confident(&evaluation), [1, 3, 0]);
    }

    #[test]
    fn heat_colors_only_where_there_is_weight() {
        let image = Image::black(1, 2, 1);
        let heat = heat(&image, &[0.0, 1.0]);
        assert_eq!(heat.pixels[..3], [32, 32, 32]);
        assert!(heat.pixels[3] > 200 && heat.pixels[5] < 60, "{:?}", heat.pixels);
    }
}
