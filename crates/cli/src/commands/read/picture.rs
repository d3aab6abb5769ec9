//! Pictures to read: files, what a folder holds, and what is transparent laid on white.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use image::{DynamicImage, ImageDecoder, ImageReader};
use taper_dataset::sheet::to_png;
use taper_dataset::source::{image_files, read_image};
use taper_dataset::{Image, ImageLimits};

/// The files to read; a folder stands for the pictures in it and below, in the order of their paths.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        files.extend(image_files(path)?);
        ensure!(
            files.len() > before,
            "there is no picture in {}: expected PNG, JPEG, BMP, GIF, TIFF or WebP files",
            path.display()
        );
    }
    Ok(files)
}

/// A picture as it looks on white paper.
pub(super) fn open(path: &Path) -> Result<Image, taper_dataset::Error> {
    let picture = read_image(path, &ImageLimits::default())?;
    // What is broken or too large has been refused; the colours alone do not say what is transparent.
    Ok(on_white(path).filter(|seen| seen.pixels.len() == picture.pixels.len()).unwrap_or(picture))
}

/// The picture on white, if it has an alpha channel.
fn on_white(path: &Path) -> Option<Image> {
    let reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    if !decoder.color_type().has_alpha() {
        return None;
    }
    let orientation = decoder.orientation().ok()?;
    let mut decoded = DynamicImage::from_decoder(decoder).ok()?;
    decoded.apply_orientation(orientation);
    let grey = !decoded.color().has_color();
    let rgba = decoded.into_rgba8();
    let (width, height) = (rgba.width() as usize, rgba.height() as usize);
    let channels = if grey { 1 } else { 3 };
    let on_white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let pixels = rgba.pixels().flat_map(|pixel| {
        let [red, green, blue, alpha] = pixel.0;
        [red, green, blue].map(|value| on_white(value, alpha)).into_iter().take(channels)
    });
    Image::new(height, width, channels, pixels.collect()).ok()
}

/// That some of so many pictures could not be opened, with a list.
pub(super) fn unopened(faults: &[String], count: usize) -> anyhow::Error {
    match faults {
        [only] if count == 1 => anyhow!("{only}"),
        _ => anyhow!(
            "{} of {count} pictures cannot be opened:\n  {}",
            faults.len(),
            faults.join("\n  ")
        ),
    }
}

/// Refuses a name that says something else than what is written.
pub(super) fn check_png(flag: &str, file: &Path) -> Result<()> {
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ensure!(ending == "png", "{flag} writes a PNG file, but {} does not end so", file.display());
    Ok(())
}

/// Writes a picture as a PNG file.
pub(super) fn write_png(path: &Path, picture: &Image) -> Result<()> {
    std::fs::write(path, to_png(picture))
        .map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}
