//! A set of lines or scenes as files: a picture each, and `lines.jsonl` or `scenes.jsonl` with the truth.

use std::io::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use taper_dataset::sheet::to_png;

use crate::error::{Error, Result};
use crate::generator::{Generator, Line};
use crate::scene::{Scene, SceneGenerator, SceneSettings, SceneTruth};
use crate::settings::{Kind, Level, Parameters, Part};

/// One line of `lines.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The picture's file, in the same folder.
    pub image: String,
    /// The digits, with a blank between groups.
    pub text: String,
    /// What kind of line.
    pub kind: Kind,
    /// Whose hand, which fonts.
    pub part: Part,
    /// How far it may stray.
    pub level: Level,
    /// The font's file, where the line is printed.
    pub font: Option<String>,
    /// Left, top, width and height of each digit's ink.
    pub boxes: Vec<[u32; 4]>,
    /// How it strays.
    #[serde(flatten)]
    pub parameters: Parameters,
}

/// Writes the first `count` lines to an empty or new folder.
///
/// # Errors
/// The folder holds something, or cannot be written to; a digit cannot be read.
pub fn write(generator: &Generator, count: usize, folder: &Path) -> Result<()> {
    let settings = &generator.settings;
    write_set(folder, "lines.jsonl", count, |index| {
        let Line { picture, text, font, boxes, parameters, .. } = generator.line(index as u64)?;
        let image = format!("{index:05}.png");
        write_file(&folder.join(&image), &to_png(&picture))?;
        let font = font.map(str::to_string);
        let (kind, part, level) = (settings.kind, settings.part, settings.level);
        Ok(Record { image, text, kind, part, level, font, boxes, parameters })
    })
}

/// One line of `scenes.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneRecord {
    /// The picture's file, in the same folder.
    pub image: String,
    /// What the scenes are made of.
    #[serde(flatten)]
    pub settings: SceneSettings,
    /// What is known of this one.
    #[serde(flatten)]
    pub truth: SceneTruth,
}

/// Writes the first `count` scenes to an empty or new folder.
///
/// # Errors
/// The folder holds something, or cannot be written to; a digit cannot be read.
pub fn write_scenes(generator: &SceneGenerator, count: usize, folder: &Path) -> Result<()> {
    write_set(folder, "scenes.jsonl", count, |index| {
        let Scene { picture, jpeg, truth, .. } = generator.scene(index as u64)?;
        let (ending, bytes) = match jpeg {
            Some(jpeg) => ("jpg", jpeg),
            None => ("png", to_png(&picture)),
        };
        let image = format!("{index:05}.{ending}");
        write_file(&folder.join(&image), &bytes)?;
        Ok(SceneRecord { image, settings: generator.settings.clone(), truth })
    })
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Write { path, source }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(failed(path))
}

/// Writes pictures and the list of what they show.
fn write_set<R: Serialize + Send>(
    folder: &Path,
    list: &str,
    count: usize,
    write_one: impl Fn(usize) -> Result<R> + Sync + Send,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    if std::fs::read_dir(folder).map_err(failed(folder))?.next().is_some() {
        return Err(Error::NotEmpty(folder.to_path_buf()));
    }
    let records: Vec<R> = (0..count).into_par_iter().map(write_one).collect::<Result<_>>()?;
    let path = folder.join(list);
    let mut bytes = Vec::new();
    for record in &records {
        let line = serde_json::to_string(record).map_err(|e| failed(&path)(e.into()))?;
        writeln!(bytes, "{line}").map_err(failed(&path))?;
    }
    write_file(&path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn a_set_is_pictures_and_a_list_of_what_they_show() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { kind: Kind::Card, level: Level::Clean, ..Settings::default() };
        let generator = Generator::new(settings, "").unwrap();
        let set = folder.path().join("set");
        write(&generator, 3, &set).unwrap();
        let list = std::fs::read_to_string(set.join("lines.jsonl")).unwrap();
        let records: Vec<Record> =
            list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 3);
        for (index, record) in records.iter().enumerate() {
            let line = generator.line(index as u64).unwrap();
            assert_eq!(record.text, line.text);
            assert_eq!(record.boxes, line.boxes);
            let limits = taper_dataset::ImageLimits::default();
            let path = set.join(&record.image);
            let read = taper_dataset::source::read_image(&path, &limits).unwrap();
            assert_eq!(read, line.picture);
        }
        let error = write(&generator, 3, &set).unwrap_err().to_string();
        assert!(error.ends_with("is not empty; choose another folder"), "{error}");
    }
}
