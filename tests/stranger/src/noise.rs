//! A layer with parameters and randomness: noise of a learned strength.

use taper_cli::taper_runner::candle::{ModuleT, Result, Tensor};
use taper_cli::taper_runner::taper_model::rng::{LayerRng, RngKey};
use taper_cli::taper_runner::taper_model::{Initializer, ParamBuilder};

/// Multiplies each feature by `1 + strength * noise` in training, the noise normal; (n, features).
#[derive(Debug, Clone)]
pub struct LearnedNoise {
    strength: Tensor,
    rng: LayerRng,
}

impl LearnedNoise {
    /// With strengths that start at 0.1.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn new(features: usize, vb: ParamBuilder<'_>, key: &RngKey) -> Result<Self> {
        let strength = vb.get(features, "strength", Initializer::Constant(0.1))?;
        Ok(Self { strength, rng: key.layer(&vb.prefix()) })
    }
}

impl ModuleT for LearnedNoise {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train {
            return Ok(x.clone());
        }
        let normal = Initializer::Normal { mean: 0.0, std: 1.0 };
        // The same in a run that was resumed: the seed is a function of the step.
        let seed = self.rng.next_seed();
        let noise = normal.tensor(seed, "noise", x.shape(), x.dtype(), x.device())?;
        x * (noise.broadcast_mul(&self.strength)? + 1.0)?
    }
}
