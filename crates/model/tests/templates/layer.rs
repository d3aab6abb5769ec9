//! TemplateLayer.

use candle_core::{Module, Result, Tensor};
use taper_model::{Initializer, ParamBuilder};

/// What it computes, as a formula, and the paper it is from: here `x * weight`, feature by feature.
///
/// # Shapes
///
/// (n, features) to the same.
#[derive(Debug, Clone)]
pub struct TemplateLayer {
    weight: Tensor,
}

impl TemplateLayer {
    /// Over so many features; its parameters lie under `vb`'s prefix, by the names that PyTorch gives them.
    ///
    /// A random layer takes `key: &RngKey` too, keeps `key.layer(&vb.prefix())`, and draws from that alone.
    ///
    /// # Errors
    ///
    /// Those of the builder.
    pub fn new(features: usize, vb: ParamBuilder<'_>) -> Result<Self> {
        Ok(Self { weight: vb.get(features, "weight", Initializer::Ones)? })
    }
}

// A layer that is another in training than in evaluation has `ModuleT` in place of `Module`.
impl Module for TemplateLayer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.weight)
    }
}

#[cfg(test)]
mod tests {
    use taper_model::gradcheck::check_layer;

    use super::*;

    #[test]
    fn template_layer_keeps_the_promises_of_a_layer() {
        let check = check_layer(|vb, _key| TemplateLayer::new(4, vb), &[3, 4], &[3, 4]).unwrap();
        assert_eq!(check.parameters, ["weight"]);
    }
}
