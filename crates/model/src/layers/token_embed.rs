//! The class token and the positions.

use candle_core::{Module, Result, Tensor, bail};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Puts a learned class token before the tokens of an image and adds a learned vector to each
/// position.
///
/// `y = concat(cls_token, x) + pos_embed`.
///
/// Parameters: `cls_token` (1, 1, features), normal of deviation 1e-6, and `pos_embed`
/// (1, 1 + tokens, features), truncated normal of deviation 0.02, as in timm.
///
/// # Shapes
///
/// (n, tokens, features) to (n, 1 + tokens, features).
///
/// # Errors
///
/// Another number of tokens than it was made for: the image has another size.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::TokenEmbed;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let embed = TokenEmbed::new(4, 8, vb)?;
/// let tokens = Tensor::zeros((2, 4, 8), DType::F32, &Device::Cpu)?;
/// assert_eq!(embed.forward(&tokens)?.dims(), [2, 5, 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenEmbed {
    /// The class token, (1, 1, features).
    pub cls_token: Tensor,
    /// What is added at each position, (1, 1 + tokens, features).
    pub pos_embed: Tensor,
}

impl TokenEmbed {
    /// For `tokens` of an image with `features` each, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        tokens: usize,
        features: usize,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let small = Initializer::Normal { mean: 0.0, std: 1e-6 };
        let normal = Initializer::trunc_normal(0.02);
        Ok(Self {
            cls_token: vb.get((1, 1, features), "cls_token", small)?,
            pos_embed: vb.get((1, 1 + tokens, features), "pos_embed", normal)?,
        })
    }
}

impl Module for TokenEmbed {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, tokens, features) = x.dims3()?;
        let (_, positions, _) = self.pos_embed.dims3()?;
        if tokens + 1 != positions {
            bail!(
                "position embeddings for {} tokens, found {tokens}: build the net for the size of these images",
                positions - 1
            );
        }
        let class = self.cls_token.broadcast_as((n, 1, features))?;
        let y = Tensor::cat(&[&class, x], 1)?.broadcast_add(&self.pos_embed)?;
        summary::record("TokenEmbed", "", &y, |_| 0);
        Ok(y)
    }
}
