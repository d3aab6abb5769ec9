//! The parts of a data set by the names that people give them.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::{Dataset, Source};

/// Which part something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// What is trained on.
    Train,
    /// What settings are chosen with.
    Validation,
    /// What is held out.
    Test,
}

impl PartOf {
    /// The part of a name, in upper or lower case: `train`, `training`, `val`, `valid`, `validation`,
    /// `dev`, `test` or `testing`.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(PartOf::Train),
            "val" | "valid" | "validation" | "dev" => Some(PartOf::Validation),
            "test" | "testing" => Some(PartOf::Test),
            _ => None,
        }
    }
}

/// Something for each part that is there.
#[derive(Debug)]
pub(crate) struct Parts<T> {
    pub train: Option<T>,
    pub validation: Option<T>,
    pub test: Option<T>,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Parts { train: None, validation: None, test: None }
    }
}

impl<T> Parts<T> {
    pub(crate) fn part(&mut self, part: PartOf) -> &mut Option<T> {
        match part {
            PartOf::Train => &mut self.train,
            PartOf::Validation => &mut self.validation,
            PartOf::Test => &mut self.test,
        }
    }

    /// The data set whose parts `open` makes, the others with the classes of the train part.
    ///
    /// # Errors
    ///
    /// When there is no train part, or one cannot be opened.
    pub(crate) fn into_dataset<S: Source + 'static>(
        self,
        path: &Path,
        open: impl Fn(T, Option<&[String]>) -> Result<S>,
    ) -> Result<Dataset> {
        let train = self.train.ok_or_else(|| Error::Layout {
            path: path.to_owned(),
            reason: "expected a train part, found only others".to_owned(),
        })?;
        let train = Arc::new(open(train, None)?);
        let rest = |part: Option<T>| -> Result<Option<Arc<dyn Source>>> {
            let source = part.map(|part| open(part, Some(train.class_names()))).transpose()?;
            Ok(source.map(|source| Arc::new(source) as _))
        };
        let (validation, test) = (rest(self.validation)?, rest(self.test)?);
        Ok(Dataset { name: path.display().to_string(), train, validation, test })
    }
}
