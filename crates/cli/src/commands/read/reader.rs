//! A model and how it is to read.

use anyhow::{Context, Result};
use taper_dataset::Image;
use taper_reader::{CLASSES, Pattern, ReadError, Reading, Scores, Settings};
use taper_runner::{Classifier, Registry, RunnerError, open_run};

use crate::flags::ReadFlags;

/// The weights that read when no others are named.
const DEFAULT_WEIGHTS: &str = "digit-cnn-reading";

/// The class of a window that has no digit in its middle.
const NONE: &str = "none";

/// A model and how it is to read.
pub(super) struct Reader {
    model: Classifier,
    /// Where each digit, and that there is none, is among the model's classes.
    classes: [usize; CLASSES],
    pattern: Option<Pattern>,
    settings: Settings,
}

impl Reader {
    pub(super) fn open(
        flags: &ReadFlags,
        pattern: Option<Pattern>,
        registry: &Registry,
    ) -> Result<Self> {
        let device = flags.device.device.open()?;
        let model = match (&flags.run, &flags.weights) {
            (Some(run), _) => open_run(run, &device, registry)?.0,
            (None, weights) => {
                let weights = weights.as_deref().unwrap_or(DEFAULT_WEIGHTS);
                Classifier::open(weights, &device, &registry.models)?
            }
        };
        let names = &model.config.label_names;
        let mut classes = [0; CLASSES];
        for (class, place) in classes.iter_mut().enumerate() {
            let name = if class < 10 { class.to_string() } else { NONE.to_string() };
            *place = names.iter().position(|other| *other == name).with_context(|| {
                format!(
                    "the model has no class `{name}` (it tells apart {}): expected the classes 0 \
                     to 9 and `{NONE}`, for what lies between digits; fine-tune one with --recipe \
                     reading on what `cargo xtask make-windows` makes, or leave --run and \
                     --weights out",
                    names.join(", ")
                )
            })?;
        }
        let defaults = Settings::default();
        let min_confidence = flags.min_confidence.unwrap_or(defaults.min_confidence);
        Ok(Self { model, classes, pattern, settings: Settings { min_confidence } })
    }

    pub(super) fn read(&self, picture: &Image) -> Result<Reading, ReadError> {
        taper_reader::read(picture, self.pattern.as_ref(), &self.settings, |windows| {
            self.classify(windows)
        })
    }

    fn classify(&self, windows: Vec<Image>) -> Result<Vec<Scores>, RunnerError> {
        let rows = self.model.probabilities(windows)?;
        Ok(rows.into_iter().map(|row| self.classes.map(|class| row[class])).collect())
    }
}
