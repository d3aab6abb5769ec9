//! The shapes of a net's tensors, without their values.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::info::{NetConfig, NetInfo};
use crate::rng::RngKey;

impl NetInfo {
    /// The shapes of its tensors by name, for a configuration. Nothing is drawn or read.
    ///
    /// ```
    /// let info = taper_model::nets::find("lenet5").expect("it is one of ours");
    /// assert_eq!(info.shapes(&info.config())?["fc3.weight"], [10, 84]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of its builder.
    pub fn shapes(&self, config: &NetConfig) -> Result<BTreeMap<String, Vec<usize>>> {
        let asked = Asked::default();
        let vb = VarBuilder::from_backend(Box::new(asked.clone()), DType::F32, Device::Cpu);
        (self.build)(config, vb.into(), &RngKey::new(0))?;
        Ok(std::mem::take(&mut asked.0.lock().expect("nobody panicked with it")))
    }
}

/// A backend that notes what is asked for, and gives zeros that lie in one place.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<BTreeMap<String, Vec<usize>>>>);

impl SimpleBackend for Asked {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, on: &Device) -> Result<Tensor> {
        let mut asked = self.0.lock().expect("nobody panicked with it");
        asked.insert(name.to_string(), shape.dims().to_vec());
        Tensor::zeros((), dtype, on)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("`{name}` was asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.lock().expect("nobody panicked with it").contains_key(name)
    }
}
