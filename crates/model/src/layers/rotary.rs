//! Rotary positions of a grid of patches.

use candle_core::{DType, Device, Result, Tensor};

/// Rotates queries and keys by where their patch lies, DINOv3's rotary position embedding.
///
/// A head's features are pairs, a feature of the first half with one of the second, `(a, b)`; each pair
/// becomes `(a cos - b sin, b cos + a sin)`. The angles are `2 π c / period`: of a quarter of the
/// features with the row's coordinate, of the next with the column's, each from -1 to 1 over the
/// image, patches at their centres; period `j` of `d / 4` is `temperature ^ (4 j / d)`. Tokens before
/// the patches, and values, stay as they are. It has no parameters.
///
/// # Shapes
///
/// (n, tokens, 3 features), queries, keys and values, to the same.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use taper_model::layers::Rotary;
///
/// // One token before a grid of 2x2 patches, heads of 8 features.
/// let rotary = Rotary::new((2, 2), 1, 8, 100.0, DType::F32, &Device::Cpu)?;
/// let qkv = Tensor::ones((3, 5, 3 * 16), DType::F32, &Device::Cpu)?;
/// assert_eq!(rotary.apply(&qkv, 2)?.dims(), qkv.dims());
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021; Siméoni et al.,
/// "DINOv3", 2025.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// (tokens, 3, 1, 1, d / 2).
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// For a grid of (rows, columns) behind `before` other tokens, and heads of `width` features, a
    /// multiple of four.
    ///
    /// # Errors
    ///
    /// Another width; candle's.
    pub fn new(
        (rows, columns): (usize, usize),
        before: usize,
        width: usize,
        temperature: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        if width == 0 || !width.is_multiple_of(4) {
            candle_core::bail!(
                "rotary positions need heads of a multiple of four features, found {width}"
            );
        }
        let quarter = width / 4;
        let coordinate = |at: usize, of: usize| 2.0 * (at as f64 + 0.5) / of as f64 - 1.0;
        let period = |j: usize| temperature.powf(4.0 * j as f64 / width as f64);
        let angle = |c: f64, j| 2.0 * std::f64::consts::PI * c / period(j);
        // Angles of 0 turn nothing.
        let mut angles = vec![0.0; before * 2 * quarter];
        for row in 0..rows {
            for column in 0..columns {
                for c in [coordinate(row, rows), coordinate(column, columns)] {
                    angles.extend((0..quarter).map(|j| angle(c, j)));
                }
            }
        }
        let tokens = before + rows * columns;
        let angles = Tensor::from_vec(angles, (tokens, 1, 1, 1, width / 2), device)?;
        let none = angles.zeros_like()?;
        let angles = Tensor::cat(&[&angles, &angles, &none], 1)?;
        Ok(Self { cos: angles.cos()?.to_dtype(dtype)?, sin: angles.sin()?.to_dtype(dtype)? })
    }

    /// Queries and keys turned, of `heads` heads.
    ///
    /// # Errors
    ///
    /// Another number of tokens or features than it was made for.
    pub fn apply(&self, qkv: &Tensor, heads: usize) -> Result<Tensor> {
        let (n, tokens, _) = qkv.dims3()?;
        let half = self.cos.dim(4)?;
        let halves = qkv.reshape((n, tokens, 3, heads, 2, half))?;
        let (first, second) = (halves.narrow(4, 0, 1)?, halves.narrow(4, 1, 1)?);
        let turned = Tensor::cat(&[&second.neg()?, &first], 4)?;
        let y = (halves.broadcast_mul(&self.cos)? + turned.broadcast_mul(&self.sin)?)?;
        y.reshape(qkv.shape())
    }
}
