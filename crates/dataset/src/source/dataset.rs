//! A data set: its train part, and the others that it brings.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::images::Labelled;
use crate::source::selected::only;
use crate::split::Splits;

/// A data set: the parts that it comes in.
#[derive(Clone)]
pub struct Dataset {
    /// The path, or the name of an embedded set.
    pub name: String,
    /// The train part, or everything where the data comes in one part; empty where it has others alone.
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
    pub fn whole(name: impl Into<String>, train: Arc<dyn Labelled>) -> Self {
        Dataset { name: name.into(), train, validation: None, test: None }
    }

    /// The data set whose parts `open` makes, the others with the classes of the train part. Without a
    /// train part that is empty, and the classes are those of the test part, else of the validation part.
    ///
    /// # Errors
    ///
    /// When there is no part, or one cannot be opened.
    pub(crate) fn of_splits<T, S: Labelled + 'static>(
        path: &Path,
        splits: Splits<Option<T>>,
        mut open: impl FnMut(T, Option<&[String]>) -> Result<S>,
    ) -> Result<Self> {
        let Splits { train, validation, test } = splits;
        let (mut class_names, mut first) = (None::<Vec<String>>, None);
        let mut open_part = |part: Option<T>| -> Result<Option<Arc<dyn Labelled>>> {
            let Some(part) = part else { return Ok(None) };
            let source: Arc<dyn Labelled> = Arc::new(open(part, class_names.as_deref())?);
            class_names.get_or_insert_with(|| source.class_names().to_vec());
            first.get_or_insert_with(|| source.clone());
            Ok(Some(source))
        };
        let (train, test, validation) =
            (open_part(train)?, open_part(test)?, open_part(validation)?);
        let train = train.or_else(|| Some(only(first?, &[])));
        let train = train.ok_or_else(|| Error::Layout {
            path: path.to_owned(),
            reason: "it has no part".to_owned(),
        })?;
        Ok(Dataset { name: path.display().to_string(), train, validation, test })
    }
}
