//! What is counted for a work.

use super::work::Task;

impl Task {
    /// Whether it needs a process of its own.
    pub fn is_whole_process(&self) -> bool {
        matches!(self, Task::FirstStep { .. } | Task::Memory { .. })
    }

    /// Images done by one measured step; `None` for single kernels.
    pub fn images(&self) -> Option<usize> {
        match self {
            Task::Train { batch, .. } | Task::Evaluate { batch, .. } => Some(*batch),
            _ => None,
        }
    }

    /// Floating-point operations forward and backward, a multiply-add counted as two and a
    /// convolution as a direct one; `None` where the products are not what takes the time.
    pub fn operations(&self) -> Option<(f64, f64)> {
        let (forward, products) = match *self {
            Task::Conv2d {
                input: [n, c, h, w],
                output_channels,
                kernel,
                stride,
                padding,
                groups,
                input_gradient,
                ..
            } => {
                let positions = |side: usize| (side + 2 * padding - kernel) / stride + 1;
                let outputs = n * output_channels * positions(h) * positions(w);
                let taps = c / groups * kernel * kernel;
                (outputs * taps, if input_gradient { 2 } else { 1 })
            }
            Task::Linear { rows, input, output } => (rows * input * output, 2),
            Task::Attention { batch, heads, tokens, width } => {
                (2 * batch * heads * tokens * tokens * width, 2)
            }
            _ => return None,
        };
        let forward = 2.0 * forward as f64;
        Some((forward, forward * f64::from(products)))
    }
}
