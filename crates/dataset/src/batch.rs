//! What a net is given at once.

/// Some items, ready for a net.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The values of all images, in the order of `shape`.
    pub images: Vec<f32>,
    /// Items, channels, height, width.
    pub shape: [usize; 4],
    /// Class of each item; empty where images have no labels.
    pub labels: Vec<u32>,
    /// Place of each item in the source.
    pub indices: Vec<usize>,
    /// Where images were mixed: the share of each class in each item, (items, classes).
    pub targets: Option<Vec<f32>>,
}
