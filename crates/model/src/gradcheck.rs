//! Checks of gradients and of whole layers, for this crate's layers and for yours.
//!
//! [`gradcheck`] compares the gradient that candle's tape gives with finite differences, in f64.
//! [`check_layer`] runs it over a layer's input and parameters, and checks the rest of what a layer
//! promises. Call it in one test for each layer:
//!
//! ```
//! use candle_core::{Module, Result, Tensor};
//! use taper_model::gradcheck::check_layer;
//! use taper_model::{Initializer, ParamBuilder};
//!
//! /// Multiplies each feature by a weight of its own.
//! struct Scale {
//!     weight: Tensor,
//! }
//!
//! impl Scale {
//!     fn new(features: usize, vb: ParamBuilder<'_>) -> Result<Self> {
//!         Ok(Self { weight: vb.get(features, "weight", Initializer::Ones)? })
//!     }
//! }
//!
//! impl Module for Scale {
//!     fn forward(&self, x: &Tensor) -> Result<Tensor> {
//!         x.broadcast_mul(&self.weight)
//!     }
//! }
//!
//! let check = check_layer(|vb, _key| Scale::new(4, vb), &[3, 4], &[3, 4])?;
//! assert_eq!(check.parameters, ["weight"]);
//! # Ok::<(), taper_model::gradcheck::CheckError>(())
//! ```

mod check_layer;
mod check_net;
mod difference;
mod error;

pub use check_layer::{LayerCheck, LayerCheckConfig, check_layer, check_layer_with};
pub use check_net::check_net;
pub use difference::{Gradcheck, GradcheckConfig, gradcheck};
pub use error::{CheckError, Mode, Worst};

#[cfg(test)]
mod tests;
