//! `mistakes/`: the held-out images that the model got wrong with the most confidence.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_untrusted::checksums::{self, RECORD};
use taper_untrusted::json;

use crate::error::RunFolderError;
use crate::folder::RunFolder;
use crate::write::write_json;

/// A held-out image that the model got wrong; a line of `mistakes/mistakes.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The image's name in its source.
    pub item: String,
    /// Height in pixels of both pictures.
    pub height: usize,
    /// Width in pixels of both pictures.
    pub width: usize,
    /// File in `mistakes/`: the image as the net takes it, before normalization; PNG or JPEG.
    pub picture: String,
    /// File in `mistakes/`: the same in grey, warm where a pixel moves the answer most.
    pub saliency: String,
    /// The true class.
    pub truth: u32,
    /// The most probable classes, most probable first; the first is the wrong answer.
    pub answers: Vec<Answer>,
    /// The probability of the true class.
    pub truth_probability: f32,
}

/// A class and its probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The class.
    pub class: u32,
    /// Its softmax probability.
    pub probability: f32,
}

impl Mistake {
    /// Writes `mistakes.json` of a run; the pictures that it names should be there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_all(run: &RunFolder, mistakes: &[Mistake]) -> Result<(), RunFolderError> {
        write_json(&list(run), &mistakes)
    }

    /// Reads `mistakes.json` of a run, most confident first; `None` where the run has recorded none.
    ///
    /// # Errors
    /// The file cannot be read, is not what this version writes, or names files elsewhere.
    pub fn read_all(run: &RunFolder) -> Result<Option<Vec<Mistake>>, RunFolderError> {
        let path = list(run);
        let bytes = match checksums::read(&path, RECORD) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(RunFolderError::io(&path))?,
        };
        let mistakes: Vec<Mistake> = json::read(&bytes, json::MOST)
            .map_err(|error| RunFolderError::invalid(&path, error))?;
        for name in mistakes.iter().flat_map(|mistake| [&mistake.picture, &mistake.saliency]) {
            // A page shows what these names lead to.
            if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
                let reason = format!("`{name}` must be a file name in the same folder");
                return Err(RunFolderError::invalid(&path, reason));
            }
        }
        Ok(Some(mistakes))
    }
}

fn list(run: &RunFolder) -> PathBuf {
    run.mistakes().join("mistakes.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::FolderLock;

    #[test]
    fn mistakes_read_back_and_may_not_name_files_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let run = FolderLock::take(folder.path()).unwrap().begin("seed = 0\n").unwrap();
        assert_eq!(Mistake::read_all(&run).unwrap(), None);
        let mut mistake = Mistake {
            item: "a/1.png".to_string(),
            height: 2,
            width: 3,
            picture: "01.png".to_string(),
            saliency: "01-saliency.png".to_string(),
            truth: 1,
            answers: vec![Answer { class: 0, probability: 0.1 + 0.2 }],
            truth_probability: 0.1,
        };
        std::fs::create_dir(run.mistakes()).unwrap();
        Mistake::write_all(&run, std::slice::from_ref(&mistake)).unwrap();
        assert_eq!(Mistake::read_all(&run).unwrap().unwrap(), [mistake.clone()]);
        for name in ["../secret.png", "/etc/passwd", "..", "", "a/b.png"] {
            mistake.picture = name.to_string();
            Mistake::write_all(&run, std::slice::from_ref(&mistake)).unwrap();
            let error = Mistake::read_all(&run).unwrap_err().to_string();
            assert!(error.ends_with("must be a file name in the same folder"), "{error}");
        }
    }
}
