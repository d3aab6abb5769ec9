//! A net's weights in the loading: each request answered and noted.

use std::collections::BTreeMap;

use candle_core::{Result, Shape, Tensor, Var};

use super::adapt::{from_file, from_param};
use super::answer::{Answer, Request, Value};
use super::buffers::{Role, role};
use super::config::WeightsConfig;
use super::error::WeightsError;
use super::layout::Mapped;
use super::leftovers;
use super::report::{Entry, LoadReport};
use crate::init::Initializer;
use crate::lora::Adapters;
use crate::params::{ParamKind, Params};
use crate::pattern::{first_match, is_under};

/// The most elements that a parameter may have: 8 GiB of f32. A net that asks for more was given
/// sizes that are wrong, and to find that out by allocating ends the process.
const MAX_ELEMENTS: usize = 1 << 31;

/// Elements of a parameter that is made though the file has no such one: those of the largest layers of known nets.
const MOST_IN_VAIN: usize = 1 << 27;

/// Where the tensors come from.
#[derive(Debug)]
pub(super) enum Source {
    Nothing,
    File(BTreeMap<String, Mapped>),
    Params(Params),
}

/// What was asked for and answered so far.
#[derive(Debug)]
pub(super) struct Loading {
    config: WeightsConfig,
    source: Source,
    params: Params,
    report: LoadReport,
    /// Why a tensor of the head was initialized: then all of it is.
    head_replaced: Option<String>,
}

impl Loading {
    pub fn new(config: WeightsConfig, source: Source, report: LoadReport) -> Self {
        Self { config, source, params: Params::new(), report, head_replaced: None }
    }

    /// The answer to a request: the same tensor as before, or a new one that is noted in the
    /// report.
    pub fn answer(&mut self, request: &Request<'_>, initializer: Initializer) -> Result<Tensor> {
        let Request { name, shape, dtype, device } = request;
        if let Some(param) = self.params.get(name) {
            let var = &param.var;
            if var.shape() != shape || var.dtype() != *dtype || !var.device().same_device(device) {
                candle_core::bail!(
                    "`{name}` was asked for as {:?} {:?}, and now as {shape:?} {dtype:?}",
                    var.shape(),
                    var.dtype()
                )
            }
            return Ok(self.handed_out(var, param.kind));
        }
        let elements = shape.dims().iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if elements.is_none_or(|elements| elements > MAX_ELEMENTS) {
            candle_core::bail!(
                "the net asks for `{name}` {:?}, more than the {MAX_ELEMENTS} elements that a \
                 parameter may have: make the images or the layers smaller",
                shape.dims()
            )
        }
        let (from, Answer { value, note }) = self.find(request)?;
        if matches!(value, Value::InitializeHead) {
            self.head_replaced.get_or_insert_with(|| note.clone());
            self.report.new_head.push(name.to_string());
        }
        // In place of what cannot be loaded, so that all faults are told at once; a net that was asked for by
        // mistake, of a size that no file has, is told of at once.
        let zeros = |found: &str| match elements {
            Some(elements) if elements > MOST_IN_VAIN => candle_core::bail!(
                "the net asks for `{name}` {:?}{}{found}",
                shape.dims(),
                if found.is_empty() { ", which the weights lack" } else { ": " }
            ),
            _ => Var::zeros(shape, *dtype, device),
        };
        let (list, var) = match value {
            Value::Loaded(var) => (&mut self.report.loaded, var),
            Value::Adapted(var) => (&mut self.report.adapted, var),
            Value::Initialize | Value::InitializeHead => {
                let values = initializer.tensor(self.config.seed, name, shape, *dtype, device)?;
                (&mut self.report.initialized, Var::from_tensor(&values)?)
            }
            Value::Missing => (&mut self.report.missing, zeros("")?),
            Value::Mismatched => (&mut self.report.mismatched, zeros(&note)?),
        };
        list.push(Entry { name: name.to_string(), shape: shape.dims().to_vec(), from, note });
        let kind = match role(name) {
            Role::Buffer | Role::Skipped => ParamKind::Buffer,
            Role::Weight if self.config.is_frozen(name) => ParamKind::Frozen,
            Role::Weight => ParamKind::Trainable,
        };
        let tensor = self.handed_out(&var, kind);
        self.params.insert(*name, var, kind);
        Ok(tensor)
    }

    /// What the source has for the request: the name in the file, and the answer.
    fn find(&self, request: &Request<'_>) -> Result<(Option<String>, Answer)> {
        let name = request.name;
        let mapped = match &self.source {
            Source::Nothing => return Ok((None, Answer::new(Value::Initialize, ""))),
            Source::Params(params) => {
                return Ok((
                    None,
                    match params.get(name) {
                        Some(param) => from_param(&param.var, request)?,
                        None => Answer::new(Value::Missing, ""),
                    },
                ));
            }
            Source::File(mapped) => mapped,
        };
        let is_head = is_under(&self.config.head, name);
        if let Some(found) = mapped.get(name) {
            let answer = match (from_file(found, request, &self.config)?, &self.head_replaced) {
                (answer @ Answer { value: Value::InitializeHead, .. }, _) => answer,
                // A bias that would fit goes with the weight that does not.
                (_, Some(note)) if is_head => Answer::new(Value::InitializeHead, note),
                (answer, _) => answer,
            };
            return Ok((Some(found.from.clone()), answer));
        }
        let answer = if self.is_of_adapter(name) {
            Answer::new(Value::Initialize, "adapter")
        } else if is_head && !mapped.keys().any(|name| is_under(&self.config.head, name)) {
            Answer::new(Value::InitializeHead, "the file has no head")
        } else if let Some(pattern) = first_match(&self.config.allow_missing, name) {
            let note = format!("not in the file, allowed by `{pattern}`");
            Answer::new(Value::Initialize, note)
        } else {
            Answer::new(Value::Missing, "")
        };
        Ok((None, answer))
    }

    /// The adapters, if the layer called `name` is to have one.
    pub fn adapters_of(&self, name: &str) -> Option<&Adapters> {
        self.config.adapters.as_ref().filter(|adapters| adapters.are_for(name))
    }

    /// The names and shapes that a file can be asked for.
    pub fn asked_for(&self) -> BTreeMap<String, Vec<usize>> {
        let asked = self.params.iter().filter(|(name, _)| !self.is_of_adapter(name));
        asked.map(|(name, param)| (name.clone(), param.var.dims().to_vec())).collect()
    }

    fn is_of_adapter(&self, name: &str) -> bool {
        Adapters::layer_of(name).is_some_and(|layer| self.adapters_of(layer).is_some())
    }

    /// The shape of `name` as it was asked for, or as the source has it.
    pub fn shape_of(&self, name: &str) -> Option<Shape> {
        let of = |params: &Params| params.get(name).map(|param| param.var.shape().clone());
        of(&self.params).or_else(|| match &self.source {
            Source::Nothing => None,
            Source::File(mapped) => mapped.get(name).map(|found| found.tensor.shape().into()),
            Source::Params(params) => of(params),
        })
    }

    pub fn finish(&self) -> std::result::Result<(Params, LoadReport), WeightsError> {
        let Self { config, source, params, .. } = self;
        let mut report = self.report.clone();
        match source {
            Source::Nothing => {}
            Source::Params(others) => leftovers::of_params(others, params, &mut report),
            Source::File(mapped) => leftovers::of_file(mapped, params, config, &mut report),
        }
        for list in [
            &mut report.loaded,
            &mut report.adapted,
            &mut report.initialized,
            &mut report.missing,
            &mut report.mismatched,
        ] {
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if !report.is_clean() {
            return Err(WeightsError::Faults { report: Box::new(report) });
        }
        leftovers::check_targets(config, params)?;
        params.check_patterns(config.freeze.iter().chain(&config.trainable))?;
        if let Source::File(mapped) = source {
            leftovers::check_allowed(mapped, params, config, &report)?;
        }
        Ok((params.clone(), report))
    }

    /// A frozen tensor is detached, so that no gradient is computed for it, and so that a batch-norm
    /// sees that its statistics stay; it shares the variable's storage.
    fn handed_out(&self, var: &Var, kind: ParamKind) -> Tensor {
        let frozen = match kind {
            ParamKind::Frozen => true,
            ParamKind::Trainable => false,
            ParamKind::Buffer => self.config.freeze_statistics,
        };
        if frozen { var.as_detached_tensor() } else { var.as_tensor().clone() }
    }
}
