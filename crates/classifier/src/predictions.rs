//! Answers for image files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};
use taper_dataset::source::{image_files, read_image};
use taper_dataset::{Batch, Error, Image, ImageLimits, Images, Loader, Preprocessing, ResizeMode};

use crate::classifier::Classifier;
use crate::error::ClassifierError;
use crate::evaluation::top_k;
use crate::probabilities::{is_finite, next_batches};

/// The classes that a model names for one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The image's path.
    pub image: String,
    /// The most probable classes, most probable first.
    pub classes: Vec<ClassProbability>,
    /// Whether the answer is to be withheld: it has less confidence than the model's threshold.
    pub withheld: bool,
    /// Why the file could not be read, and no class is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A class and its softmax probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassProbability {
    /// The class's name.
    pub class_name: String,
    /// Its place among the classes.
    pub class: u32,
    /// Softmax probability, 0 to 1.
    #[serde(serialize_with = "shortest")]
    pub probability: f32,
}

/// As the fewest digits that tell the number from its neighbours, wherever it goes: serde_json would
/// widen it to an `f64` on some ways and not on others.
fn shortest<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(number.to_string().parse().unwrap_or(f64::from(*number)))
}

/// The answers for image files, batch by batch in the files' order: an iterator.
///
/// Files are decoded by other threads, ahead of the net. One that cannot be read gets a
/// [`Prediction`] that says why, and the others are answered.
pub struct Predictions<'a> {
    model: &'a Classifier,
    top_k: usize,
    files: Arc<Files>,
    /// The images as they are, then as each further view shows them.
    views: Vec<Loader>,
    /// Answers with less confidence are withheld.
    threshold: f64,
}

impl Classifier {
    /// Names the `top_k` most probable classes of image files, batch by batch, decoding ahead; a folder
    /// stands for the images in it. A file that cannot be read gets a [`Prediction`] that says why.
    ///
    /// # Errors
    /// A folder that cannot be listed, or holds no image.
    pub fn predictions(
        &self,
        images: &[PathBuf],
        top_k: usize,
    ) -> Result<Predictions<'_>, ClassifierError> {
        Predictions::new(self, images, top_k)
    }
}

impl<'a> Predictions<'a> {
    /// Lists the files and begins to decode them; a folder stands for the images in it.
    fn new(
        model: &'a Classifier,
        images: &[PathBuf],
        top_k: usize,
    ) -> Result<Self, ClassifierError> {
        let mut paths = Vec::new();
        // What a folder holds is answered once, also where another one that is named holds it, too.
        let mut known = BTreeSet::new();
        let mut is_new = |path: &PathBuf| known.insert(path.canonicalize().unwrap_or(path.clone()));
        for path in images {
            match path.is_dir() {
                true => {
                    let files = image_files(path)?;
                    if files.is_empty() {
                        return Err(ClassifierError::NoImages(path.clone()));
                    }
                    paths.extend(files.into_iter().filter(&mut is_new));
                }
                false => {
                    is_new(path);
                    paths.push(path.clone());
                }
            }
        }
        let files = Arc::new(Files {
            paths,
            preprocessing: model.config.preprocessing.clone(),
            faults: Mutex::default(),
            inverts: model.inverts,
            border_brightness: model.border_brightness(),
            unlike: Mutex::default(),
        });
        let views = model.views(files.clone())?;
        let rejection = model.config.calibration.and_then(|calibration| calibration.rejection);
        let threshold = rejection.map_or(0.0, |rejection| rejection.threshold);
        Ok(Self { model, top_k, files, views, threshold })
    }

    /// The files, in the order of the answers.
    pub fn paths(&self) -> &[PathBuf] {
        &self.files.paths
    }

    /// How many of the images decoded so far are light at the border where those of the model's
    /// training were dark, or dark where they were light: as like as not negatives of what it knows.
    pub fn unlike(&self) -> usize {
        self.files.unlike.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn answer(&self, views: &[Batch]) -> Result<Vec<Prediction>, ClassifierError> {
        let rows = self.model.rows(views)?;
        let mut predictions = Vec::with_capacity(rows.len());
        for (row, &index) in rows.iter().zip(&views[0].indices) {
            let image = self.files.item_name(index);
            let fault = || match is_finite(row) {
                true => None,
                false => Some(format!("{image}: {}", ClassifierError::NotFinite)),
            };
            let error = self.files.fault(index).or_else(fault);
            let confidence = row.iter().copied().fold(0.0, f32::max);
            let withheld = error.is_none() && f64::from(confidence) < self.threshold;
            let named = |class: u32| ClassProbability {
                class_name: self.model.config.label_names[class as usize].clone(),
                class,
                probability: row[class as usize],
            };
            let classes = match error {
                None => top_k(row, self.top_k).into_iter().map(named).collect(),
                Some(_) => Vec::new(),
            };
            predictions.push(Prediction { image, classes, withheld, error });
        }
        Ok(predictions)
    }
}

impl Iterator for Predictions<'_> {
    type Item = Result<Vec<Prediction>, ClassifierError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match next_batches(&mut self.views)? {
            Ok(views) => self.answer(&views),
            Err(error) => Err(error.into()),
        })
    }
}

/// Image files. In place of one that cannot be read stands a black image,
/// so that its batch goes on.
struct Files {
    paths: Vec<PathBuf>,
    preprocessing: Preprocessing,
    faults: Mutex<BTreeMap<usize, String>>,
    /// Whether light and dark are swapped.
    inverts: bool,
    /// How light borders were in training, if that is known.
    border_brightness: Option<f64>,
    /// Images whose borders are far from that.
    unlike: Mutex<BTreeSet<usize>>,
}

/// Borders that differ by more are not of the same kind of picture.
const UNLIKE: f64 = 0.5;

impl Files {
    /// Why an image could not be read, once it has been decoded.
    fn fault(&self, index: usize) -> Option<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).get(&index).cloned()
    }

    fn read(&self, index: usize) -> taper_dataset::Result<Image> {
        let image = read_image(&self.paths[index], &ImageLimits::default())?;
        let mut image = image.into_channels(self.preprocessing.channels)?;
        if self.inverts {
            image = image.inverted();
        }
        let unlike = |trained: f64| (trained - image.border_brightness()).abs() > UNLIKE;
        if self.border_brightness.is_some_and(unlike) {
            self.unlike.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
        let (found, expected) = (image.size(), self.preprocessing.size());
        if self.preprocessing.placement == ResizeMode::AsIs && found != expected {
            return Err(Error::Size { item: self.item_name(index), expected, found });
        }
        Ok(image)
    }
}

impl Images for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn decode(&self, index: usize) -> taper_dataset::Result<Image> {
        Ok(self.read(index).unwrap_or_else(|error| {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.insert(index, error.to_string());
            let [height, width, channels] = self.preprocessing.size();
            Image::black(height, width, channels)
        }))
    }

    fn item_name(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }

    fn describe(&self) -> String {
        format!("{} image files", self.paths.len())
    }
}
