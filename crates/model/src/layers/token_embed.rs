//! The class token and the positions.

use candle_core::{Module, Result, Tensor, bail};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Puts a learned class token before the tokens of an image and adds a learned vector to each
/// position.
///
/// `y = concat(cls_token, x) + pos_embed`; with registers, tokens that take what is not of one place,
/// `y = concat(cls_token, reg_token, x + pos_embed)`, or without `pos_embed` where positions are a matter of
/// attention.
///
/// Parameters: `cls_token` (1, 1, features) and `reg_token` (1, registers, features), normal of
/// deviation 1e-6, and `pos_embed` (1, 1 + tokens, features; with registers 1, tokens, features), truncated
/// normal of deviation 0.02, as in timm.
///
/// # Shapes
///
/// (n, tokens, features) to (n, 1 + registers + tokens, features).
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
    /// The registers, (1, registers, features); `None` without.
    pub reg_token: Option<Tensor>,
    /// What is added at each position, (1, 1 + tokens, features), or with registers (1, tokens,
    /// features); `None` where nothing is.
    pub pos_embed: Option<Tensor>,
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
        Ok(Self {
            cls_token: vb.get((1, 1, features), "cls_token", SMALL)?,
            reg_token: None,
            pos_embed: Some(vb.get((1, 1 + tokens, features), "pos_embed", POSITIONS)?),
        })
    }

    /// With registers, and positions for the `tokens` of an image alone, or for none.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn with_registers<'a>(
        tokens: Option<usize>,
        registers: usize,
        features: usize,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let positions = |tokens| vb.get((1, tokens, features), "pos_embed", POSITIONS);
        Ok(Self {
            cls_token: vb.get((1, 1, features), "cls_token", SMALL)?,
            reg_token: Some(vb.get((1, registers, features), "reg_token", SMALL)?),
            pos_embed: tokens.map(positions).transpose()?,
        })
    }

    /// `x` and what is added to it.
    fn placed(&self, x: &Tensor) -> Result<Tensor> {
        let Some(positions) = &self.pos_embed else { return Ok(x.clone()) };
        if x.dim(1)? != positions.dim(1)? {
            let before = usize::from(self.reg_token.is_none());
            bail!(
                "position embeddings for {} tokens, found {}: build the net for the size of these images",
                positions.dim(1)? - before,
                x.dim(1)? - before
            );
        }
        x.broadcast_add(positions)
    }
}

const SMALL: Initializer = Initializer::Normal { mean: 0.0, std: 1e-6 };
const POSITIONS: Initializer = Initializer::trunc_normal(0.02);

impl Module for TokenEmbed {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, _, features) = x.dims3()?;
        let class = self.cls_token.broadcast_as((n, 1, features))?;
        let y = match &self.reg_token {
            None => self.placed(&Tensor::cat(&[&class, x], 1)?)?,
            Some(registers) => {
                let registers = registers.broadcast_as((n, registers.dim(1)?, features))?;
                Tensor::cat(&[&class, &registers, &self.placed(x)?], 1)?
            }
        };
        summary::record("TokenEmbed", "", &y, |_| 0);
        Ok(y)
    }
}
