//! Position embeddings for another grid of patches.

use candle_core::{Device, Result, Tensor};

/// Where a net's position embeddings are, and for what grid of patches it is built.
///
/// A file's embeddings for another grid are resampled to this one, bicubic and with half pixels
/// between the corners (`align_corners=False`).
///
/// ```
/// use taper_model::nets;
/// use taper_model::weights::{Layout, PositionGrid};
///
/// let info = nets::find("vit_tiny_patch16_224").expect("it is one of ours");
/// let config = nets::NetConfig { height: 64, width: 96, ..info.config() };
/// let positions = info.weights_config(&config, Layout::PyTorch).positions;
/// let expected =
///     PositionGrid { name: "pos_embed".into(), prefix: 1, height: 4, width: 6, from: None, antialias: true };
/// assert_eq!(positions, Some(expected));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionGrid {
    /// The parameter, (1, prefix + height * width, features).
    pub name: String,
    /// How many come before those of the patches and are kept, such as the class token's.
    pub prefix: usize,
    /// The rows of the grid, in patches.
    pub height: usize,
    /// The columns of the grid, in patches.
    pub width: usize,
    /// The rows and columns of the file's grid, where they are known. Otherwise as many patches as the
    /// net's own grid has are taken for that grid, and any other number for a square.
    pub from: Option<(usize, usize)>,
    /// Whether a smaller grid averages over what it leaves out, as timm does; transformers' models
    /// take four neighbours at any scale. The cubic differs too: -0.5 with, -0.75 without, as
    /// PyTorch has it.
    pub antialias: bool,
}

impl PositionGrid {
    /// The grid of the file's embeddings, by their shape; `None` where they can be for none.
    pub(super) fn grid_of(&self, dims: &[usize]) -> Option<(usize, usize)> {
        let &[1, positions, _] = dims else { return None };
        let patches = positions.checked_sub(self.prefix).filter(|patches| *patches > 0)?;
        let has_all = |&(rows, columns): &(usize, usize)| rows * columns == patches;
        let side = patches.isqrt();
        let square = Some((side, side));
        self.from
            .filter(has_all)
            .or(Some((self.height, self.width)).filter(has_all))
            .or(square.filter(has_all))
    }

    /// The file's tensor, which is for the grid `from`, for this grid.
    pub(super) fn resample(&self, tensor: &Tensor, from: (usize, usize)) -> Result<Tensor> {
        let features = tensor.dim(2)?;
        let (height, width) = (self.height, self.width);
        let rows = self.weights(from.0, height)?.to_dtype(tensor.dtype())?;
        let columns = self.weights(from.1, width)?.to_dtype(tensor.dtype())?;
        let kept = tensor.narrow(1, 0, self.prefix)?;
        let grid = tensor.narrow(1, self.prefix, from.0 * from.1)?.contiguous()?;
        // Rows first, then columns, each as a product of matrices.
        let grid = rows.matmul(&grid.reshape((from.0, from.1 * features))?)?;
        let grid = grid.reshape((height, from.1, features))?.transpose(0, 1)?.contiguous()?;
        let grid = columns.matmul(&grid.reshape((from.1, height * features))?)?;
        let grid = grid.reshape((width, height, features))?.transpose(0, 1)?.contiguous()?;
        let grid = grid.reshape((1, height * width, features))?;
        Tensor::cat(&[kept, grid], 1)
    }

    /// The weights (out, side) of a line of `side` points in a line of `out`.
    fn weights(&self, side: usize, out: usize) -> Result<Tensor> {
        let scale = side as f64 / out as f64;
        let mut weights = vec![0.0; out * side];
        for (index, row) in weights.chunks_exact_mut(side).enumerate() {
            let center = (index as f64 + 0.5) * scale;
            if self.antialias {
                let stretch = scale.max(1.0);
                let first = (center - 2.0 * stretch + 0.5).max(0.0) as usize;
                let end = ((center + 2.0 * stretch + 0.5) as usize).min(side);
                for (offset, weight) in row[first..end].iter_mut().enumerate() {
                    let at = (first + offset) as f64 + 0.5 - center;
                    *weight = cubic(at / stretch, -0.5);
                }
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|weight| *weight /= sum);
            } else {
                let floor = (center - 0.5).floor();
                for tap in -1..=2 {
                    let at = floor + f64::from(tap);
                    // Beyond the border, the border's point.
                    let point = at.clamp(0.0, (side - 1) as f64) as usize;
                    row[point] += cubic(at + 0.5 - center, -0.75);
                }
            }
        }
        Tensor::from_vec(weights, (out, side), &Device::Cpu)
    }
}

/// The cubic convolution kernel (Keys, "Cubic convolution interpolation for digital image
/// processing", 1981), with the slope `a` at distance 1.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}
