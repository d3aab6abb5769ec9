//! One piece of work, as every side is told it; the peers in Rust share this file.

use serde::{Deserialize, Serialize};

/// One piece of work; every side does the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// Unique: `group/shape`.
    pub name: String,
    /// Works of one kind in one net: their times are also added up.
    pub group: String,
    /// How often the net does it in one pass.
    pub count: usize,
    /// What is to be done.
    #[serde(flatten)]
    pub task: Task,
}

/// What is to be done. Images are (n, c, h, w); pairs are (height, width), both alike here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Training steps of a whole net on images of `side` by `side` pixels, the batch gathered from
    /// `images` of them, bytes in memory.
    Train { net: String, side: usize, batch: usize, images: usize },
    /// Logits of a whole net in evaluation mode for images of floats in memory.
    Evaluate { net: String, side: usize, batch: usize },
    /// One training step in a fresh process; timed from outside, from the process's start.
    FirstStep { net: String, side: usize, batch: usize, images: usize },
    /// Training steps in a fresh process; its memory is looked at from outside.
    Memory { net: String, side: usize, batch: usize, images: usize, steps: usize },
    /// A convolution, no dilation.
    Conv2d {
        input: [usize; 4],
        output_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        groups: usize,
        bias: bool,
        /// Whether the gradient of the images is wanted: not in a net's first layer.
        input_gradient: bool,
    },
    /// Max-pooling.
    MaxPool2d { input: [usize; 4], kernel: usize, stride: usize, padding: usize },
    /// Batch normalization in training mode.
    BatchNorm { input: [usize; 4] },
    /// Layer normalization over the last dimension.
    LayerNorm { rows: usize, width: usize },
    /// A dense layer with bias.
    Linear { rows: usize, input: usize, output: usize },
    /// The exact GELU.
    Gelu { rows: usize, width: usize },
    /// Scaled dot-product attention, neither mask nor dropout; q, k and v are
    /// (batch, heads, tokens, width).
    Attention { batch: usize, heads: usize, tokens: usize, width: usize },
}
