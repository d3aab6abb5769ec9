//! What stops the reading of a file, where it does not matter yet which file it is.

use std::path::Path;

use crate::error::Error;

/// What stops reading.
pub(super) enum ReadFault {
    /// What the system said.
    Io(std::io::Error),
    /// The file is not what it should be.
    Format(String),
}

impl ReadFault {
    /// As the error of a file.
    pub fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            ReadFault::Io(source) => Error::Read { path, source },
            ReadFault::Format(reason) => Error::Layout { path, reason },
        }
    }
}

impl From<std::io::Error> for ReadFault {
    fn from(error: std::io::Error) -> Self {
        ReadFault::Io(error)
    }
}

impl From<String> for ReadFault {
    fn from(reason: String) -> Self {
        ReadFault::Format(reason)
    }
}
