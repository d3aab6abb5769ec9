//! Averages of weights over the steps of a run.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var, WithDType};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::entry::Buffers;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::Slot;
use crate::saved::Reader;
use crate::values::{self, CHUNK, PARALLEL_FROM, Values, working_dtype};

/// Which average of the weights is kept beside them. Its values replace the weights for validation
/// and in the end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AverageConfig {
    /// None.
    None {},
    /// An exponential moving average: after step `n`, counted from 0,
    ///
    /// ```text
    /// a = a + (1 - d) * (w - a),  d = min(decay, (1 + n) / (10 + n))
    /// ```
    ///
    /// The minimum keeps the first weights from staying for long; it is TensorFlow's
    /// `ExponentialMovingAverage` with `num_updates`. With `warmup = false`, `d` is `decay`, as in
    /// PyTorch's `get_ema_multi_avg_fn`.
    Ema {
        /// How much of the average stays at each step, from 0 to below 1. Default 0.999.
        #[serde(default = "decay")]
        decay: f64,
        /// Start with a smaller decay. Default true.
        #[serde(default = "warmup")]
        warmup: bool,
    },
    /// Stochastic weight averaging (Izmailov et al. 2018, <https://arxiv.org/abs/1803.05407>): the
    /// plain mean of the weights after every `every`-th step of the last part of the run; before,
    /// there is no average.
    Swa {
        /// The share of the run after which it begins, from 0 to below 1. Default 0.75.
        #[serde(default = "start")]
        start: f64,
        /// Steps between two that count, 1 or more. Default 1.
        #[serde(default = "every")]
        every: u64,
    },
}

fn decay() -> f64 {
    0.999
}

fn warmup() -> bool {
    true
}

fn start() -> f64 {
    0.75
}

fn every() -> u64 {
    1
}

impl Default for AverageConfig {
    fn default() -> Self {
        Self::None {}
    }
}

impl AverageConfig {
    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), OptimizerError> {
        match self {
            Self::None {} => Ok(()),
            Self::Ema { decay, .. } => Check("moving average").fraction("decay", *decay),
            Self::Swa { start, every } => {
                Check("stochastic weight averaging").fraction("start", *start)?;
                Check("stochastic weight averaging").at_least_one("every", *every)
            }
        }
    }

    /// What share of the difference between weights and average goes into the average after a
    /// step, where that step counts; `counted` steps have before.
    fn share(&self, step: u64, total: u64, counted: u64) -> Option<f64> {
        match *self {
            Self::None {} => None,
            Self::Ema { .. } if counted == 0 => Some(1.0),
            Self::Ema { decay, warmup } => {
                let early = (1 + step) as f64 / (10 + step) as f64;
                Some(1.0 - if warmup { decay.min(early) } else { decay })
            }
            Self::Swa { start, every } => {
                let first = (start * total as f64).ceil() as u64;
                let counts = step >= first && (step - first).is_multiple_of(every.max(1));
                counts.then(|| 1.0 / (counted + 1) as f64)
            }
        }
    }
}

/// An average of weights.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use taper_optimizer::{Average, AverageConfig};
///
/// let weight = Var::new(&[0f32], &Device::Cpu)?;
/// let config = AverageConfig::Swa { start: 0.0, every: 1 };
/// let mut average = Average::new(vec![("weight".to_string(), weight.clone())], config)?;
/// for step in 0..3 {
///     weight.set(&Tensor::new(&[step as f32 * 2.0], &Device::Cpu)?)?; // 0, 2, 4
///     average.update(step, 3)?;
/// }
/// average.swap()?;
/// assert_eq!(weight.to_vec1::<f32>()?, [2.0]);
/// average.swap()?;
/// assert_eq!(weight.to_vec1::<f32>()?, [4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Average {
    config: AverageConfig,
    entries: Vec<Entry>,
    counted: u64,
    swapped: bool,
}

#[derive(Debug)]
struct Entry {
    name: String,
    var: Var,
    /// The average, as the one slot of a state.
    mean: Buffers,
}

/// The name of the count of steps in the state.
const COUNTED: &str = "step";

impl Average {
    /// An average of these variables, of nothing so far. Running statistics belong among them:
    /// those of the last weights do not fit averaged ones.
    ///
    /// # Errors
    ///
    /// A setting outside its range.
    pub fn new(vars: Vec<(String, Var)>, config: AverageConfig) -> Result<Self, OptimizerError> {
        config.validate()?;
        let entry = |(name, var): (String, Var)| {
            let mean = Buffers::new(&[Slot::zero("average")], &var)?;
            Ok(Entry { name, var, mean })
        };
        let entries = vars.into_iter().map(entry).collect::<Result<_, OptimizerError>>()?;
        Ok(Self { config, entries, counted: 0, swapped: false })
    }

    /// Takes in the weights after a step, counted from 0, in a run of `total` steps.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub fn update(&mut self, step: u64, total: u64) -> Result<(), OptimizerError> {
        let Some(share) = self.config.share(step, total, self.counted) else { return Ok(()) };
        for Entry { var, mean, .. } in &mut self.entries {
            if let Buffers::Device(slots) = mean {
                let mean = &mut slots[0];
                let weights = var.as_detached_tensor().flatten_all()?.to_dtype(mean.dtype())?;
                *mean = (&*mean + (weights - &*mean)?.affine(share, 0.0)?)?;
                continue;
            }
            let host = values::on_host(var, working_dtype(var.dtype()))?;
            values::read(&host, |weights| {
                match (weights, mean) {
                    (Values::F32(weights), Buffers::F32(mean)) => {
                        approach(&mut mean[0], weights, share);
                    }
                    (Values::F64(weights), Buffers::F64(mean)) => {
                        approach(&mut mean[0], weights, share);
                    }
                    _ => candle_core::bail!("a variable has changed its dtype"),
                }
                Ok(())
            })?;
        }
        self.counted += 1;
        Ok(())
    }

    /// Exchanges weights and average; a second call takes it back. Without effect as long as
    /// nothing is averaged.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub fn swap(&mut self) -> Result<(), OptimizerError> {
        if self.counted == 0 {
            return Ok(());
        }
        for entry in &mut self.entries {
            let Entry { var, mean, .. } = entry;
            let average = mean.tensor(0, var.shape())?;
            *mean = mean.with(&[var.as_detached_tensor()], var)?;
            var.set(&average.to_device(var.device())?.to_dtype(var.dtype())?)?;
        }
        self.swapped = !self.swapped;
        Ok(())
    }

    /// The average by the variables' names, and under `step` how many steps are in it. Copies.
    ///
    /// # Errors
    ///
    /// None on a CPU with memory to spare.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>, OptimizerError> {
        debug_assert!(!self.swapped, "the weights are the average's now");
        let counted = Tensor::new(self.counted as i64, &Device::Cpu)?;
        let mut state = BTreeMap::from([(COUNTED.to_string(), counted)]);
        for entry in &self.entries {
            let mean = entry.mean.tensor(0, entry.var.shape())?;
            state.insert(entry.key(), mean.to_device(&Device::Cpu)?);
        }
        Ok(state)
    }

    /// Takes over what [`state`](Self::state) gave.
    ///
    /// # Errors
    ///
    /// Every tensor that is missing, has no place or another shape or dtype, in one
    /// [`OptimizerError::State`]; nothing was changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), OptimizerError> {
        let mut reader = Reader::new(state);
        let mut means = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let dtype = working_dtype(entry.var.dtype());
            means.push(reader.get(entry.key(), entry.var.dims(), dtype));
        }
        let counted = reader.count(COUNTED.to_string())?;
        reader.finish()?;
        for (entry, mean) in self.entries.iter_mut().zip(means.into_iter().flatten()) {
            entry.mean = entry.mean.with(std::slice::from_ref(mean), &entry.var)?;
        }
        self.counted = counted;
        Ok(())
    }
}

impl Entry {
    /// No variable's key is that of the count: this one has a slash.
    fn key(&self) -> String {
        format!("{}/average", self.name)
    }
}

/// `mean += share * (weights - mean)`.
fn approach<T: Real + WithDType>(mean: &mut [T], weights: &[T], share: f64) {
    let share = <T as Real>::of(share);
    let chunk = |(mean, weights): (&mut [T], &[T])| {
        for (mean, &weight) in mean.iter_mut().zip(weights) {
            *mean = *mean + share * (weight - *mean);
        }
    };
    if mean.len() < PARALLEL_FROM {
        chunk((mean, weights));
    } else {
        mean.par_chunks_mut(CHUNK).zip(weights.par_chunks(CHUNK)).for_each(chunk);
    }
}

#[cfg(test)]
mod tests;
