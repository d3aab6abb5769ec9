//! What can go wrong between a path and a batch.

use std::path::PathBuf;

use crate::idx::IdxError;

/// The result of everything in this crate that reads or validates.
pub type Result<T> = std::result::Result<T, Error>;

/// What was wrong, where, what was expected and found, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path, or name, leads nowhere.
    #[error(
        "no data at {}: no such file or folder, nor a name: `digits`, `mnist-sample`, `mnist`, \
         `fashion-mnist`, `kmnist`, `emnist-digits`, `emnist-letters`, `qmnist`, `cifar10`",
        path.display()
    )]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },

    /// A data set is known by its name, and its files are not here.
    #[error("{name} is not here: put the files of {url} into {}{files}{hub}", folder.display())]
    NotHere {
        /// The name.
        name: &'static str,
        /// Where the files are expected.
        folder: PathBuf,
        /// Where they are to be had.
        url: &'static str,
        /// Their names, as the middle of the sentence; or nothing.
        files: String,
        /// Where else, as the end of the sentence; or nothing.
        hub: String,
    },

    /// A file is not what its publisher published.
    #[error(
        "{} is not that of {name}: expected the MD5 {expected}, found {found}; get it anew, or \
         open the folder by its path to take it as it is",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The data set.
        name: &'static str,
        /// The publisher's checksum.
        expected: &'static str,
        /// The file's.
        found: String,
    },

    /// One item cannot be read.
    #[error("{0}; fix or remove it, or leave it out with data.broken=skip")]
    Fault(Box<Error>),

    /// Several items cannot be read.
    #[error(
        "{count} of {of} images cannot be read; fix or remove them, or leave them out with \
         data.broken=skip:{lines}"
    )]
    Faults {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// An indented line for each.
        lines: String,
    },

    /// Of images that are wanted without those that cannot be read, none is left.
    #[error("none of {of} images can be read, so that none is left: {first}")]
    NoneLeft {
        /// How many there are.
        of: usize,
        /// What is wrong with the first.
        first: Box<Error>,
    },

    /// The system refused to read something.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A folder has none of the layouts that are known.
    #[error("{} is not a data set: {reason}", path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// What is missing or ambiguous, and what is expected.
        reason: String,
    },

    /// The bytes of an IDX file are wrong.
    #[error("{}: {source}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with its bytes.
        source: IdxError,
    },

    /// An IDX file is sound, but is not what its name promises.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The shapes and element types that the role allows.
        expected: &'static str,
        /// The shape and element type of the file.
        found: String,
    },

    /// A source of a program's own has a label that is none of its classes.
    #[error("{item} has the label {label}, expected one below {classes}, the number of classes")]
    NoSuchClass {
        /// The item.
        item: String,
        /// Its label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },

    /// A source decodes an item to what is no image.
    #[error(
        "{item} is decoded as an image of {height}x{width} with {channels} channels and {bytes} bytes, expected 1 or 3 \
         channels and a byte for each channel of each pixel"
    )]
    Decoded {
        /// The item.
        item: String,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values per pixel.
        channels: usize,
        /// Values that there are.
        bytes: usize,
    },

    /// A source decodes an item differently each time.
    #[error(
        "{item} is another image each time that it is decoded; what is random belongs into an augmentation"
    )]
    OtherImage {
        /// The item.
        item: String,
    },

    /// There are not as many labels as images.
    #[error(
        "counts differ: {images} holds {image_count} images, {labels} holds {label_count} labels"
    )]
    Counts {
        /// Where the images are.
        images: String,
        /// How many images.
        image_count: usize,
        /// Where the labels are.
        labels: String,
        /// How many labels.
        label_count: usize,
    },

    /// A label names no class.
    #[error("label {label} of item {item} in {place} is out of range: {reason}")]
    Label {
        /// Where the label stands.
        place: String,
        /// Number of the item in its file, from 0.
        item: usize,
        /// The label.
        label: i64,
        /// The labels that are allowed, and why.
        reason: String,
    },

    /// A file that should be an image is none, or is broken.
    #[error("{item} is not a readable image: {reason}")]
    Image {
        /// The path, or the name of the item.
        item: String,
        /// The decoder's reason.
        reason: String,
    },

    /// An image or its file is larger than allowed.
    #[error("{item} is too large: {found}, the limit is {limit}")]
    TooLarge {
        /// The path, or the name of the item.
        item: String,
        /// Its size.
        found: String,
        /// The largest that is allowed.
        limit: String,
    },

    /// The pixels do not fill the size that is claimed, or the size is not usable.
    #[error("an image of {height}x{width} with {channels} channels cannot have {bytes} bytes")]
    Pixels {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values per pixel.
        channels: usize,
        /// Number of values found.
        bytes: usize,
    },

    /// An image has another size than the net takes, and the placement is to leave it as it is.
    #[error(
        "{item} has height, width, channels {found:?}, expected {expected:?}; choose a placement that resizes"
    )]
    Size {
        /// Name of the item.
        item: String,
        /// Height, width, channels that are wanted.
        expected: [usize; 3],
        /// Height, width, channels of the image.
        found: [usize; 3],
    },

    /// An augmentation of the caller's does not keep an image's size.
    #[error(
        "the augmentation `{name}` made an image of height, width, channels {found:?}, expected \
         {expected:?}"
    )]
    Augmentation {
        /// Its name.
        name: String,
        /// Height, width, channels of the image before.
        expected: [usize; 3],
        /// What its result has.
        found: [usize; 3],
    },

    /// A setting is not usable.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },

    /// A class that the data has not.
    #[error("`data.classes`: there is no class `{name}`; there are {known}")]
    NoClass {
        /// The class.
        name: String,
        /// Those there are, shortened.
        known: String,
    },

    /// The thread that prepares batches could not be started.
    #[error("cannot start the loader's thread: {0}")]
    Thread(std::io::Error),
}

impl Error {
    /// A setting with what it must be and what it is.
    pub(crate) fn setting(
        setting: &'static str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Error::Setting { setting, expected: expected.into(), found: found.to_string() }
    }
}
