//! Which columns of a list or a table count.

/// The columns of a list or of parquet files that hold images, or their paths, and labels. Without
/// a name each is found by the names and types that are usual. Other layouts have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column of images, or of their paths. Default `None`.
    pub image: Option<String>,
    /// The column of labels. Default `None`.
    pub label: Option<String>,
}
