//! What a net is given at once.

/// Some items, ready for a net.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The values of all images, in the order of `shape`.
    pub images: Vec<f32>,
    /// Items, channels, height, width.
    pub shape: [usize; 4],
    /// Class of each item.
    pub labels: Vec<u32>,
    /// Place of each item in the source.
    pub indices: Vec<usize>,
    /// Where images were mixed: the share of each class in each item, (items, classes).
    pub targets: Option<Vec<f32>>,
}

#[cfg(feature = "candle")]
impl Batch {
    /// The images (n, c, h, w), f32, and the labels (n), u32, as tensors; nothing is copied on a CPU.
    /// Soft targets are left out.
    ///
    /// # Errors
    ///
    /// When the device has no room.
    pub fn into_tensors(
        self,
        device: &candle_core::Device,
    ) -> candle_core::Result<(candle_core::Tensor, candle_core::Tensor)> {
        let [n, c, h, w] = self.shape;
        let images = candle_core::Tensor::from_vec(self.images, (n, c, h, w), device)?;
        Ok((images, candle_core::Tensor::from_vec(self.labels, n, device)?))
    }
}
