//! A data set: its train part, and the others that it brings.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::images::Labelled;
use crate::split::Splits;

/// A data set: the parts that it comes in.
#[derive(Clone)]
pub struct Dataset {
    /// The path, or the name of an embedded set.
    pub name: String,
    /// The train part, or everything where the data comes in one part.
    pub train: Arc<dyn Labelled>,
    /// The validation part, where the data brings one.
    pub validation: Option<Arc<dyn Labelled>>,
    /// The test part, where the data brings one.
    pub test: Option<Arc<dyn Labelled>>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let describe = |part: &Option<Arc<dyn Labelled>>| part.as_ref().map(|part| part.describe());
        f.debug_struct("Dataset")
            .field("name", &self.name)
            .field("train", &self.train.describe())
            .field("validation", &describe(&self.validation))
            .field("test", &describe(&self.test))
            .finish()
    }
}

impl Dataset {
    /// The data set that comes in one part.
    pub(crate) fn whole(name: impl Into<String>, train: Arc<dyn Labelled>) -> Self {
        Dataset { name: name.into(), train, validation: None, test: None }
    }

    /// The data set whose parts `open` makes, the others with the classes of the train part.
    ///
    /// # Errors
    ///
    /// When there is no train part, or one cannot be opened.
    pub(crate) fn of_splits<T, S: Labelled + 'static>(
        path: &Path,
        splits: Splits<Option<T>>,
        open: impl Fn(T, Option<&[String]>) -> Result<S>,
    ) -> Result<Self> {
        let train = splits.train.ok_or_else(|| Error::Layout {
            path: path.to_owned(),
            reason: "expected a train part, found only others".to_owned(),
        })?;
        let train = Arc::new(open(train, None)?);
        let rest = |part: Option<T>| -> Result<Option<Arc<dyn Labelled>>> {
            let source = part.map(|part| open(part, Some(train.class_names()))).transpose()?;
            Ok(source.map(|source| Arc::new(source) as _))
        };
        let (validation, test) = (rest(splits.validation)?, rest(splits.test)?);
        Ok(Dataset { name: path.display().to_string(), train, validation, test })
    }
}
