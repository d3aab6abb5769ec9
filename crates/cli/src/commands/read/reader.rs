//! A model and how it is to read.

use anyhow::{Context, Result};
use taper_dataset::Image;
use taper_dataset::source::{class_number, class_places};
use taper_reader::{CLASSES, Character, Pattern, ReadError, Scene, Scores, Settings};
use taper_runner::{Classifier, Registry, RunnerError, open_weights};

use crate::flags::ReadFlags;
use crate::model::open_model;

/// The weights that read when no others are named.
const DEFAULT_WEIGHTS: &str = "digit-cnn-reading";

/// The weights that tell digits from letters.
const CHARACTER_WEIGHTS: &str = "digit-cnn-characters";

/// The class of a window that has no digit in its middle.
const NONE: &str = "none";

/// A model and how it is to read.
pub(super) struct Reader {
    model: Classifier,
    /// Tells digits from letters and other things.
    characters: Classifier,
    /// Where each digit, and that there is none, is among the model's classes.
    classes: [usize; CLASSES],
    patterns: Vec<Pattern>,
    settings: Settings,
}

impl Reader {
    pub(super) fn open(
        flags: &ReadFlags,
        patterns: Vec<Pattern>,
        registry: &Registry,
    ) -> Result<Self> {
        let weights = flags.weights.as_deref().unwrap_or(DEFAULT_WEIGHTS);
        let named = (flags.run.as_deref(), weights);
        let (model, _) = open_model(named, &flags.settings, &[], &flags.device, registry)?;
        let names = &model.config.label_names;
        let wanted: Vec<String> =
            (0..10).map(|n| n.to_string()).chain([NONE.to_string()]).collect();
        let mut places = class_places(&wanted, names);
        // Plain weights have numbers alone; `none` is the last class that the recipe `reading` makes.
        if names.len() == CLASSES && names.iter().all(|name| class_number(name).is_some()) {
            places[10] = class_places(&["10".to_string()], names)[0];
        }
        let mut classes = [0; CLASSES];
        for (class, name) in wanted.iter().enumerate() {
            classes[class] = places[class].with_context(|| {
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
        let device = flags.device.device.open()?;
        let characters = open_weights(CHARACTER_WEIGHTS, &[], &device, registry)?;
        let settings = Settings { min_confidence };
        Ok(Self { model, characters, classes, patterns, settings })
    }

    /// Reads a picture, by patterns of its own or those that were given for all.
    pub(super) fn read(&self, picture: &Image, own: &[Pattern]) -> Result<Scene, ReadError> {
        let patterns = if own.is_empty() { &self.patterns } else { own };
        let digits = |windows| self.classify(windows);
        let characters = |windows| self.characters_in(windows);
        taper_reader::read_scene(picture, patterns, &self.settings, digits, characters)
    }

    fn characters_in(&self, windows: Vec<Image>) -> Result<Vec<Character>, RunnerError> {
        let rows = self.characters.probabilities(windows)?;
        Ok(rows.into_iter().map(|row| std::array::from_fn(|class| row[class])).collect())
    }

    fn classify(&self, windows: Vec<Image>) -> Result<Vec<Scores>, RunnerError> {
        let rows = self.model.probabilities(windows)?;
        Ok(rows.into_iter().map(|row| self.classes.map(|class| row[class])).collect())
    }
}
