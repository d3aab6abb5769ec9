//! What a net is made of: its layers with output shapes, parameters and multiply-adds.
//!
//! [`summarize`] runs the net once on one image of zeros, and each layer of this crate says what it
//! did by calling [`record`]. Nothing has to be implemented for it: a layer that does not call
//! [`record`] still shows up, with its parameters, at the end of the table. While no summary is
//! being made, a call costs one look at a thread-local.

mod record;
mod table;

use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Result, Tensor};
use serde::Serialize;

use crate::params::{ParamKind, Params};
pub use record::record;

/// A net's layers in the order in which they ran, with totals; `Display` writes a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The shape of one image, without the batch.
    pub input: Vec<usize>,
    /// The layers.
    pub rows: Vec<Row>,
    /// The sums over the layers.
    pub total: Totals,
}

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The prefix of its parameters; empty for a layer that has none.
    pub name: String,
    /// What it is, such as `Conv2d`; `"?"` for a layer that did not say.
    pub kind: &'static str,
    /// The shape of its output, without the batch; `None` for a layer that did not say.
    pub output: Option<Vec<usize>>,
    /// Its numbers.
    pub counts: Totals,
}

/// Numbers of elements and of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Elements that training changes.
    pub trainable: usize,
    /// Elements that are frozen.
    pub frozen: usize,
    /// Elements of buffers, such as running statistics.
    pub buffers: usize,
    /// Multiply-adds of one image's forward pass: those of convolutions and dense layers, and one
    /// for each element of a norm's output; biases, pools and activations are not counted.
    pub multiply_adds: usize,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.trainable += other.trainable;
        self.frozen += other.frozen;
        self.buffers += other.buffers;
        self.multiply_adds += other.multiply_adds;
    }
}

/// Runs `net` in evaluation mode on one image of zeros of shape `input` (without the batch) and
/// says what ran.
///
/// Parameters are told apart by their prefix: everything before the last dot. A layer that runs
/// several times has a row for each, its parameters counted in the first.
///
/// ```
/// use candle_core::{DType, Device};
/// use taper_model::nets;
/// use taper_model::rng::RngKey;
/// use taper_model::summary::summarize;
/// use taper_model::weights::{Weights, WeightsConfig};
///
/// let info = nets::find("keras-cnn").expect("it is one of ours");
/// let weights = Weights::new(WeightsConfig::default())?;
/// let vb = weights.var_builder(DType::F32, &Device::Cpu);
/// let net = (info.build)(&info.config(), vb, &RngKey::new(0))?;
/// let (params, _) = weights.finish()?;
///
/// let summary = summarize(&net, &params, &[1, 28, 28], &Device::Cpu)?;
/// assert_eq!(summary.total.trainable, 1_199_882);
/// assert_eq!(summary.total.multiply_adds, 11_992_448);
/// println!("{summary}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of the net's forward pass, such as an input that does not fit.
pub fn summarize(
    net: &dyn ModuleT,
    params: &Params,
    input: &[usize],
    device: &Device,
) -> Result<Summary> {
    let dtype = params.iter().next().map_or(DType::F32, |(_, param)| param.var.dtype());
    let shape: Vec<usize> = std::iter::once(1).chain(input.iter().copied()).collect();
    let image = Tensor::zeros(shape, dtype, device)?;
    let (output, records) = record::observe(|| net.forward_t(&image, false));
    output?;

    // Elements by prefix, taken out as the layers claim them.
    let mut unclaimed: BTreeMap<&str, Totals> = BTreeMap::new();
    for (name, param) in params.iter() {
        let prefix = name.rsplit_once('.').map_or("", |(prefix, _)| prefix);
        let totals = unclaimed.entry(prefix).or_default();
        let count = param.var.elem_count();
        match param.kind {
            ParamKind::Trainable => totals.trainable += count,
            ParamKind::Frozen => totals.frozen += count,
            ParamKind::Buffer => totals.buffers += count,
        }
    }
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        // A layer without parameters has no name, and claims none.
        let claimed =
            if record.name.is_empty() { None } else { unclaimed.remove(record.name.as_str()) };
        let counts = Totals { multiply_adds: record.multiply_adds, ..claimed.unwrap_or_default() };
        let output = Some(record.output.get(1..).unwrap_or_default().to_vec());
        rows.push(Row { name: record.name, kind: record.kind, output, counts });
    }
    rows.extend(unclaimed.into_iter().map(|(name, counts)| Row {
        name: name.to_owned(),
        kind: "?",
        output: None,
        counts,
    }));

    let mut total = Totals::default();
    rows.iter().for_each(|row| total.add(&row.counts));
    Ok(Summary { input: input.to_vec(), rows, total })
}

#[cfg(test)]
mod tests;
