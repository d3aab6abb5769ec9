//! `inspect`: a data set looked at.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use taper_dataset::source::Watched;
use taper_dataset::{Dataset, Labelled};
use taper_report::{InspectConfig, inspect};
use taper_runner::observe::Counter;
use taper_runner::{Registry, resolve, split_dataset};

use crate::flags::{InspectFlags, Output};
use crate::print::{print, print_json};

pub(super) fn run(flags: &InspectFlags, output: Output, registry: &Registry) -> Result<()> {
    let overrides = [&flags.images.overrides, &flags.subset.overrides, &flags.set];
    let overrides: Vec<_> = overrides.into_iter().flatten().cloned().collect();
    let mut recipe = resolve(flags.recipe.as_deref(), &overrides, registry)?;
    check_out(&flags.out, &recipe.data.source)?;
    let (dataset, left_out) = split_dataset(&recipe, registry)?;
    let config = InspectConfig {
        preprocessing: recipe.image.preprocessing(),
        augment: registry.policy(&mut recipe.augment)?,
        seed: recipe.seed,
    };
    let inspected = inspect(&watched(dataset, registry.shows_decoding), left_out, &config)?;
    let written = inspected.write(&flags.out)?;
    if output.json {
        return print_json(&serde_json::json!({
            "inspection": inspected.inspection,
            "left_out": inspected.left_out,
            "written": written,
        }));
    }
    print(&inspected.to_string())?;
    let written = written.iter().map(|path| path.display().to_string());
    print(&format!("written: {}\n", written.collect::<Vec<_>>().join(", ")))
}

/// Refuses a folder among the images, where the pictures would be images, or in the place of some.
fn check_out(out: &Path, data: &str) -> Result<()> {
    let mut existing = out.ancestors().map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    let place = existing.find_map(|folder| folder.canonicalize().ok());
    let data = Path::new(data).canonicalize().ok().filter(|data| data.is_dir());
    let is_within = place.zip(data).is_some_and(|(place, data)| place.starts_with(data));
    ensure!(
        !is_within,
        "--out {} is in the data that is looked at; choose another folder",
        out.display()
    );
    Ok(())
}

/// The data set with a bar that shows how far looking at its images is.
fn watched(mut dataset: Dataset, shown: bool) -> Dataset {
    let parts = [Some(&mut dataset.train), dataset.validation.as_mut(), dataset.test.as_mut()];
    let mut parts: Vec<&mut Arc<dyn Labelled>> = parts.into_iter().flatten().collect();
    let images = parts.iter().map(|part| part.len()).sum();
    let counter = Arc::new(Counter::new(shown, "inspect", images));
    for part in &mut parts {
        let counter = counter.clone();
        let decoded = move |_, image| {
            counter.add_one();
            image
        };
        **part = Arc::new(Watched { source: part.clone(), decoded });
    }
    dataset
}
