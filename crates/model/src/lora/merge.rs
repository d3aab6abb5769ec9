//! Adapters worked into their layers' weights.

use candle_core::{DType, Tensor, Var};

use super::config::{LoraConfig, PARTS};
use crate::params::Params;

/// The parameters of the same net without adapters: each adapted layer's weight is
/// `weight + alpha / rank * lora_B lora_A`, computed in `f64` and rounded once. All others are
/// shared with `params`.
///
/// # Errors
///
/// An adapter without its other half or its layer, or of shapes that do not fit: candle's.
pub fn merge(params: &Params, lora: &LoraConfig) -> candle_core::Result<Params> {
    let [a, b] = PARTS.map(|part| format!(".{part}.weight"));
    let var = |name: &str| match params.get(name) {
        Some(param) => Ok(param.var.as_detached_tensor()),
        None => candle_core::bail!("an adapter without `{name}`"),
    };
    let mut merged = Params::new();
    for (name, param) in params {
        if name.ends_with(&a) || name.ends_with(&b) {
            continue;
        }
        let layer = name.strip_suffix(".weight");
        let adapter = layer.filter(|layer| params.get(&format!("{layer}{a}")).is_some());
        let new = match adapter {
            None => param.var.clone(),
            Some(layer) => {
                let (a, b) = (var(&format!("{layer}{a}"))?, var(&format!("{layer}{b}"))?);
                let weight = param.var.as_detached_tensor();
                let delta = delta(&a, &b, lora.scale())?.reshape(weight.shape())?;
                let sum = (weight.to_dtype(DType::F64)? + delta)?;
                Var::from_tensor(&sum.to_dtype(weight.dtype())?)?
            }
        };
        merged.insert(name, new, param.kind);
    }
    Ok(merged)
}

/// `scale * b a`, each adapter's first dimension and all others taken together.
fn delta(a: &Tensor, b: &Tensor, scale: f64) -> candle_core::Result<Tensor> {
    let a = a.to_dtype(DType::F64)?.flatten_from(1)?;
    let b = b.to_dtype(DType::F64)?.flatten_from(1)?;
    b.matmul(&a)? * scale
}
