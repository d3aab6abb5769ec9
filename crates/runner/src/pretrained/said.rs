//! What a checkpoint says of itself, whoever's words it uses.

use std::path::{Path, PathBuf};

use serde_json::Value;
use taper_dataset::{Crop, Filter, Placement};
use taper_model::nets::NetInfo;
use taper_model::weights::TensorFile;
use toml::Table;

use super::{timm, transformers};
use crate::config::{ModelConfig, PretrainedConfig};
use crate::error::RunnerError;

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The name of the net.
    pub net: String,
    /// The net's key map that its names need; empty for none.
    pub key_map: String,
    /// The number of classes; `None` for a net without a head.
    pub num_classes: Option<usize>,
    /// The classes' names in the order of the logits; empty if it does not say.
    pub label_names: Vec<String>,
    /// How images are prepared, if it says.
    pub image: Option<ImageSaid>,
    /// Height and width of the images that its tensors are for, if it says: a vision transformer's
    /// positions belong to these.
    pub built_for: Option<(usize, usize)>,
    /// The licence, by its id on the Hub; empty if it does not say.
    pub license: String,
}

/// How a checkpoint wants its images.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSaid {
    /// Channels, height, width.
    pub input_size: [usize; 3],
    /// Mean of each channel, after scaling to 0..1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, after scaling to 0..1.
    pub std: Vec<f64>,
    /// How an image of another size is brought to the input size.
    pub placement: Placement,
    /// How pixels are weighed when an image is resized.
    pub filter: Filter,
}

impl Said {
    /// Reads `config.json` in a folder, and what belongs to it; `None` where there is none.
    pub(super) fn in_folder(folder: &Path) -> Result<Option<Self>, RunnerError> {
        let path = folder.join(taper_hub::CONFIG);
        if !path.is_file() {
            return Ok(None);
        }
        let config = read(&path)?;
        let wrong = |reason| RunnerError::Config { path: path.clone(), reason };
        if timm::is_one(&config) {
            return timm::read(&config).map(Some).map_err(wrong);
        }
        if !taper_hub::is_transformers(&config) {
            return Ok(None);
        }
        let mut said = transformers::read(&config).map_err(wrong)?;
        let path = folder.join(taper_hub::PREPROCESSOR);
        if path.is_file() {
            let image = transformers::read_preprocessor(&read(&path)?, &config);
            said.image = Some(image.map_err(|reason| RunnerError::Config { path, reason })?);
        }
        Ok(Some(said))
    }

    /// Reads what [`save`](taper_model::weights::save()) wrote into a file; `None` in others' files.
    pub(super) fn of_file(file: &TensorFile) -> Result<Option<Self>, RunnerError> {
        let wrong = |reason| RunnerError::Config { path: PathBuf::from(file.origin()), reason };
        let config = file.metadata()?.remove("config");
        config.map(|config| timm::read(&config).map_err(wrong)).transpose()
    }

    /// As a layer of a recipe.
    pub fn settings(&self) -> Table {
        let mut model = Table::new();
        model.insert("net".into(), self.net.clone().into());
        model.insert("key_map".into(), self.key_map.clone().into());
        let mut settings = Table::from_iter([("model".to_string(), model.into())]);
        if !self.license.is_empty() {
            let card = Table::from_iter([("license".to_string(), self.license.clone().into())]);
            settings.insert("card".into(), card.into());
        }
        if let Some(image) = &self.image {
            settings.insert("image".into(), image.settings().into());
        }
        settings
    }

    /// Reads timm's `config.json`.
    pub(crate) fn of_timm(config: &Value) -> Result<Self, String> {
        match timm::is_one(config) {
            true => timm::read(config),
            false => Err("it has no `architecture`".to_string()),
        }
    }

    /// As the configuration of a finished model of the net `info`.
    pub(crate) fn model_config(
        &self,
        info: &NetInfo,
        origin: &str,
    ) -> Result<ModelConfig, RunnerError> {
        self.config(info.stem, info.head, Path::new(origin))
    }

    /// As the configuration of a finished model of a net with the given ends.
    pub(crate) fn config(
        &self,
        stem: &str,
        head: &str,
        origin: &Path,
    ) -> Result<ModelConfig, RunnerError> {
        let wrong = |reason: &str| RunnerError::Config {
            path: origin.to_path_buf(),
            reason: reason.to_string(),
        };
        let num_classes = self.num_classes.ok_or_else(|| wrong("the net has no classifier"))?;
        let image = self.image.clone().ok_or_else(|| {
            wrong("nothing says how images are prepared: preprocessor_config.json is missing")
        })?;
        let label_names = match self.label_names.is_empty() {
            true => (0..num_classes).map(|class| class.to_string()).collect(),
            false => self.label_names.clone(),
        };
        if label_names.len() != num_classes {
            return Err(wrong(&format!(
                "num_classes is {num_classes}, but there are {} label_names",
                label_names.len()
            )));
        }
        Ok(ModelConfig {
            architecture: self.net.clone(),
            num_classes,
            label_names,
            calibration: None,
            border: None,
            pretrained_cfg: PretrainedConfig {
                input_size: image.input_size,
                mean: image.mean,
                std: image.std,
                first_conv: stem.to_string(),
                classifier: head.to_string(),
                interpolation: image.filter,
                placement: image.placement,
                license: self.license.clone(),
            },
        })
    }
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, RunnerError> {
        let bytes = std::fs::read(path)
            .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
        let wrong = |reason| RunnerError::Config { path: path.to_path_buf(), reason };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        let said = Said::of_timm(&value).map_err(wrong)?;
        let name = |key: &str| value["pretrained_cfg"][key].as_str().unwrap_or_default();
        let mut config = said.config(name("first_conv"), name("classifier"), path)?;
        if let Some(calibration) = value.get("calibration").filter(|v| !v.is_null()) {
            let read = serde_json::from_value(calibration.clone());
            config.calibration = Some(read.map_err(|e| wrong(format!("calibration: {e}")))?);
        }
        config.border = value["border"].as_f64();
        Ok(config)
    }
}

impl ImageSaid {
    fn settings(&self) -> Table {
        let [channels, height, width] = self.input_size.map(|n| i64::try_from(n).unwrap_or(0));
        let placement = match self.placement {
            Placement::AsIs => "asis".into(),
            Placement::Stretch => "stretch".into(),
            Placement::Fit => "fit".into(),
            Placement::Digit => "digit".into(),
            Placement::Crop(crop) => {
                let number = |n: usize| toml::Value::from(i64::try_from(n).unwrap_or(0));
                let crop = match crop {
                    Crop::Share(share) => toml::Value::from(share),
                    Crop::Edge { edge, of } => Table::from_iter([
                        ("edge".to_string(), number(edge)),
                        ("of".to_string(), number(of)),
                    ])
                    .into(),
                };
                Table::from_iter([("crop".to_string(), crop)]).into()
            }
        };
        let filter = match self.filter {
            Filter::Area => "area",
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        };
        let list = |values: &[f64]| toml::Value::from(values.to_vec());
        Table::from_iter([
            ("channels".to_string(), channels.into()),
            ("height".to_string(), height.into()),
            ("width".to_string(), width.into()),
            ("mean".to_string(), list(&self.mean)),
            ("std".to_string(), list(&self.std)),
            ("placement".to_string(), placement),
            ("filter".to_string(), filter.into()),
        ])
    }

    /// Checks what a file could say and nobody could do.
    pub(super) fn checked(self) -> Result<Self, String> {
        let channels = self.input_size[0];
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels && values.len() != 1 {
                return Err(format!("{name} has {} values for {channels} channels", values.len()));
            }
        }
        match self.input_size.iter().find(|&&n| n == 0 || n > 1 << 14) {
            Some(n) => Err(format!("{n} is no size of an image")),
            None => Ok(self),
        }
    }
}

fn read(path: &Path) -> Result<Value, RunnerError> {
    let bytes = std::fs::read(path)
        .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| RunnerError::Config { path: path.to_path_buf(), reason: e.to_string() })
}

/// The names of classes from a list, or from an object of id to name without gaps.
pub(super) fn label_names(value: Option<&Value>) -> Result<Vec<String>, String> {
    let wrong = || "the names of its classes are no list of names".to_string();
    let text = |value: &Value| value.as_str().map(String::from).ok_or_else(wrong);
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(Value::Object(names)) => {
            let mut sorted = Vec::new();
            for (id, name) in names {
                sorted.push((id.parse::<usize>().map_err(|_| wrong())?, text(name)?));
            }
            sorted.sort();
            match sorted.iter().enumerate().all(|(place, (id, _))| place == *id) {
                true => Ok(sorted.into_iter().map(|(_, name)| name).collect()),
                false => Err("the ids of its classes have gaps".to_string()),
            }
        }
        Some(_) => Err(wrong()),
    }
}

/// A list of numbers.
pub(super) fn numbers(value: &Value, name: &str) -> Result<Vec<f64>, String> {
    let numbers = value.as_array().map(|list| list.iter().map(Value::as_f64).collect());
    numbers.flatten().ok_or_else(|| format!("{name} is {value}, expected a list of numbers"))
}

/// A count.
pub(super) fn count(value: &Value, name: &str) -> Result<usize, String> {
    let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
    count.ok_or_else(|| format!("{name} is {value}, expected a count"))
}
