//! Answers for image files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Module, ModuleT};
use taper_dataset::source::{is_image, read_image};
use taper_dataset::{Augment, Image, ImageLimits, Loader, LoaderConfig, Source};
use taper_model::layers::Softmax;

use crate::data::pipeline;
use crate::error::RunnerError;
use crate::evaluate::{Views, softmax, top_k};
use crate::finished::{ClassProbability, FinishedModel, Prediction};
use crate::observe::Counter;
use crate::train::images_of;

/// Names the `k` most probable classes of each image; a folder stands for the images in it.
pub(crate) fn predict(
    model: &FinishedModel,
    images: &[PathBuf],
    k: usize,
) -> Result<Vec<Prediction>, RunnerError> {
    let mut paths = Vec::new();
    for path in images {
        match path.is_dir() {
            true => {
                let before = paths.len();
                image_files(path, &mut paths)?;
                if paths.len() == before {
                    return Err(RunnerError::NoImages(path.clone()));
                }
            }
            false => paths.push(path.clone()),
        }
    }
    let device = Device::Cpu;
    let files = Arc::new(Files { paths });
    let order: Vec<usize> = (0..files.len()).collect();
    let [channels, height, width] = model.config.pretrained_cfg.input_size;
    let batch_size = crate::memory::evaluation_batch(&model.net, [channels, height, width], 256)?;
    let config = LoaderConfig { batch_size, ..LoaderConfig::default() };
    let temperature = model.temperature();
    let rejection = model.config.calibration.and_then(|calibration| calibration.rejection);
    let threshold = rejection.map_or(0.0, |rejection| rejection.threshold);
    let mut counter = Counter::new(model.shows_progress, "predict", files.len());
    let mut predictions = Vec::with_capacity(files.len());
    let views = Views::of(&model.recipe, model.views);
    // The first look is at the images as they are; the others go along with it.
    let look = |view: u64| {
        let augment = if view == 0 { Augment::none() } else { views.augment };
        let config = LoaderConfig { augment, seed: views.seed, epoch: view, ..config };
        Loader::new(files.clone(), order.clone(), pipeline(&model.recipe.image), config)
    };
    let mut others = (1..views.count).map(look).collect::<Result<Vec<_>, _>>()?;
    for batch in look(0)? {
        let batch = batch?;
        let mut logits = model.net.forward_t(&images_of(&batch, &device)?, false)?;
        for batch in others.iter_mut().filter_map(Iterator::next) {
            logits = (logits + model.net.forward_t(&images_of(&batch?, &device)?, false)?)?;
        }
        if views.count > 1 {
            logits = logits.affine(1.0 / views.count as f64, 0.0)?;
        }
        let rows = match temperature == 1.0 {
            true => Softmax.forward(&logits.to_dtype(DType::F32)?)?.to_vec2::<f32>()?,
            false => {
                let logits = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
                logits.iter().map(|row| softmax(row, temperature)).collect()
            }
        };
        for (row, index) in rows.iter().zip(batch.indices) {
            let confidence = row.iter().copied().fold(0.0, f32::max);
            let withheld = f64::from(confidence) < threshold;
            let classes = top_k(row, k).into_iter().map(|class| ClassProbability {
                class_name: model.config.label_names[class as usize].clone(),
                class,
                probability: row[class as usize],
            });
            predictions.push(Prediction {
                image: files.item_name(index),
                classes: classes.collect(),
                withheld,
            });
        }
        counter.set(predictions.len());
    }
    Ok(predictions)
}

/// The image files below a folder, in the order of their paths.
fn image_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), RunnerError> {
    let io = |source| RunnerError::Io { path: folder.to_path_buf(), source };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        entries.push(entry.map_err(io)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            image_files(&path, files)?;
        } else if is_image(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Image files whose class nobody knows.
struct Files {
    paths: Vec<PathBuf>,
}

impl Source for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn label(&self, _: usize) -> u32 {
        0
    }

    fn decode(&self, index: usize) -> taper_dataset::Result<Image> {
        read_image(&self.paths[index], &ImageLimits::default())
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn item_name(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }

    fn describe(&self) -> String {
        format!("{} image files", self.paths.len())
    }
}
