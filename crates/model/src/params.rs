//! A net's parameters by name: trainable, frozen, or buffers such as running statistics.

use std::collections::{BTreeMap, btree_map};

use candle_core::{Tensor, Var};

use crate::pattern::matches;

/// What may change a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamKind {
    /// The optimizer.
    Trainable,
    /// Nothing: the layer holds it detached, so that its gradient is never computed.
    Frozen,
    /// The layer itself, in training mode: running statistics.
    Buffer,
}

/// One parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// The values; clones share them.
    pub var: Var,
    /// What may change them.
    pub kind: ParamKind,
}

/// The parameters of a net, sorted by name.
///
/// The [`Var`]s are shared with the layers: setting one changes the net.
/// [`Weights`](crate::weights::Weights) fills it while a net is built.
///
/// Unlike candle's `VarMap` it is ordered, and keeps running statistics apart from what an
/// optimizer may touch.
#[derive(Clone, Debug, Default)]
pub struct Params {
    by_name: BTreeMap<String, Param>,
}

impl Params {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces the parameter `name`, and gives back the one that it replaced.
    pub fn insert(&mut self, name: impl Into<String>, var: Var, kind: ParamKind) -> Option<Param> {
        self.by_name.insert(name.into(), Param { var, kind })
    }

    /// The parameter `name`.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.by_name.get(name)
    }

    /// All parameters, by name in ascending order.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Param> {
        self.by_name.iter()
    }

    /// All names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// How many parameters there are, buffers included.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many numbers the parameters of `kind` hold.
    pub fn num_elements(&self, kind: ParamKind) -> usize {
        self.of_kind(kind).map(|(_, var)| var.elem_count()).sum()
    }

    /// The parameters that an optimizer updates, by name in ascending order.
    pub fn trainable(&self) -> Vec<(String, Var)> {
        self.of_kind(ParamKind::Trainable)
            .map(|(name, var)| (name.to_string(), var.clone()))
            .collect()
    }

    /// The parameters of one kind, by name in ascending order.
    pub fn of_kind(&self, kind: ParamKind) -> impl Iterator<Item = (&str, &Var)> {
        let of_kind = self.by_name.iter().filter(move |(_, param)| param.kind == kind);
        of_kind.map(|(name, param)| (name.as_str(), &param.var))
    }

    /// Whether each pattern matches a parameter that is no buffer.
    pub(crate) fn check_patterns<S: AsRef<str>>(
        &self,
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<(), ParamsError> {
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let weights = self.by_name.iter().filter(|(_, param)| param.kind != ParamKind::Buffer);
            let mut names = weights.map(|(name, _)| name);
            if !names.clone().any(|name| matches(pattern, name)) {
                let example = names.next().cloned().unwrap_or_default();
                return Err(ParamsError::NothingMatches { pattern: pattern.to_string(), example });
            }
        }
        Ok(())
    }

    /// A copy of all values, which later training leaves as it is.
    ///
    /// # Errors
    ///
    /// candle's, where the device has no memory left.
    pub fn to_tensors(&self) -> candle_core::Result<BTreeMap<String, Tensor>> {
        self.by_name
            .iter()
            .map(|(name, param)| Ok((name.clone(), param.var.as_detached_tensor().copy()?)))
            .collect()
    }

    /// Sets the values of some parameters; a net that holds them sees the new ones.
    ///
    /// # Errors
    ///
    /// A tensor without a parameter, or of another shape: then nothing is changed. The tensors are
    /// converted to the parameters' dtype and device.
    pub fn set_some(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), ParamsError> {
        let mut all = BTreeMap::new();
        for (name, param) in self {
            all.insert(name.clone(), param.var.as_detached_tensor());
        }
        for (name, tensor) in tensors {
            all.insert(name.clone(), tensor.clone());
        }
        self.set(&all)
    }

    /// Sets all values, those of buffers and frozen parameters included; a net that holds them sees
    /// the new ones.
    ///
    /// # Errors
    ///
    /// A parameter without a tensor, a tensor without a parameter, another shape: then nothing is
    /// changed. The tensors are converted to the parameters' dtype and device.
    pub fn set(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), ParamsError> {
        if let Some(name) = tensors.keys().find(|name| !self.by_name.contains_key(*name)) {
            return Err(ParamsError::Unknown { name: name.clone() });
        }
        let mut converted = Vec::with_capacity(self.len());
        for (name, Param { var, .. }) in &self.by_name {
            let tensor = tensors.get(name);
            let Some(tensor) = tensor.filter(|tensor| tensor.dims() == var.dims()) else {
                return Err(ParamsError::Shape {
                    name: name.clone(),
                    expected: var.dims().to_vec(),
                    found: tensor.map(|tensor| tensor.dims().to_vec()),
                });
            };
            converted.push((var, tensor.to_device(var.device())?.to_dtype(var.dtype())?.copy()?));
        }
        for (var, tensor) in converted {
            var.set(&tensor)?;
        }
        Ok(())
    }
}

/// What can be wrong with names, patterns and values for [`Params`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A pattern, given to freeze by, that names nothing.
    #[error(
        "the pattern `{pattern}` matches no trainable parameter of the net; its names are like \
         `{example}`"
    )]
    NothingMatches {
        /// The pattern.
        pattern: String,
        /// One of the names that there are.
        example: String,
    },
    /// A parameter that is to be set and has no tensor, or one of another shape.
    #[error(
        "the parameter `{name}` has shape {expected:?}, and the tensor to set it to {}",
        match found {
            Some(shape) => format!("has {shape:?}"),
            None => "is missing".to_string(),
        }
    )]
    Shape {
        /// The parameter's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The tensor's shape, if there is a tensor.
        found: Option<Vec<usize>>,
    },
    /// A tensor for a parameter that does not exist.
    #[error("there is no parameter `{name}` to set")]
    Unknown {
        /// The tensor's name.
        name: String,
    },
    /// An error of candle's, such as a device that is out of memory.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl<'a> IntoIterator for &'a Params {
    type Item = (&'a String, &'a Param);
    type IntoIter = btree_map::Iter<'a, String, Param>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn params() -> Params {
        let mut params = Params::new();
        for (name, kind) in [
            ("fc.weight", ParamKind::Trainable),
            ("bn.running_mean", ParamKind::Buffer),
            ("bn.weight", ParamKind::Trainable),
            ("fc.bias", ParamKind::Frozen),
        ] {
            params.insert(name, Var::zeros(3, DType::F32, &Device::Cpu).unwrap(), kind);
        }
        params
    }

    #[test]
    fn parameters_are_sorted_by_name() {
        let params = params();
        assert_eq!(
            params.names().collect::<Vec<_>>(),
            ["bn.running_mean", "bn.weight", "fc.bias", "fc.weight"]
        );
        let trainable: Vec<String> = params.trainable().into_iter().map(|(name, _)| name).collect();
        assert_eq!(trainable, ["bn.weight", "fc.weight"]);
        assert_eq!(params.num_elements(ParamKind::Trainable), 6);
    }

    #[test]
    fn freezing_by_a_pattern_that_matches_nothing_is_an_error() {
        let params = params();
        for pattern in ["conv9.*", "bn.running_*"] {
            let message = params.check_patterns(["fc.weight", pattern]).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "the pattern `{pattern}` matches no trainable parameter of the net; its names \
                     are like `bn.weight`"
                )
            );
        }
    }

    #[test]
    fn a_copy_of_the_values_survives_training_and_can_be_set_again() {
        let params = params();
        let before = params.to_tensors().unwrap();
        let var = &params.get("fc.weight").unwrap().var;
        var.set(&Tensor::ones(3, DType::F32, &Device::Cpu).unwrap()).unwrap();
        assert_eq!(before["fc.weight"].to_vec1::<f32>().unwrap(), [0.0; 3]);
        params.set(&before).unwrap();
        assert_eq!(var.to_vec1::<f32>().unwrap(), [0.0; 3]);
    }

    #[test]
    fn setting_other_names_or_shapes_is_an_error() {
        let params = params();
        let mut tensors = params.to_tensors().unwrap();
        tensors.insert("fc.bias".into(), Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap());
        let message = params.set(&tensors).unwrap_err().to_string();
        assert_eq!(
            message,
            "the parameter `fc.bias` has shape [3], and the tensor to set it to has [4]"
        );
        tensors.remove("fc.bias");
        let message = params.set(&tensors).unwrap_err().to_string();
        assert_eq!(
            message,
            "the parameter `fc.bias` has shape [3], and the tensor to set it to is missing"
        );
        tensors.insert("extra".into(), Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap());
        let message = params.set(&tensors).unwrap_err().to_string();
        assert_eq!(message, "there is no parameter `extra` to set");
    }
}
