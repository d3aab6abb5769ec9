//! Which columns of a list or a table count.

use std::path::PathBuf;

/// The columns of a list or of parquet files that hold images, or their paths, and labels, and how a path
/// is made of what stands there. Without a name each is found by the names and types that are usual. Other layouts
/// have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column of images, or of their paths. Default `None`.
    pub image: Option<String>,
    /// The column of labels. Default `None`.
    pub label: Option<String>,
    /// The folder that paths are relative to, itself relative to that of the list or table. Default that one.
    pub image_folder: PathBuf,
    /// What is added to each path, such as `.png`. Default nothing.
    pub image_suffix: String,
}

/// Names by which a column of images or of their paths goes; those of images first.
pub(crate) const IMAGES: &[&str] = &[
    "image",
    "img",
    "images",
    "picture",
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image_path",
];

/// Names by which a column of labels goes.
pub(crate) const LABELS: &[&str] =
    &["label", "labels", "fine_label", "class", "category", "target", "digit"];
