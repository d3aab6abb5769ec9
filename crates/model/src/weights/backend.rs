//! Answering a net's requests, one tensor at a time.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;

use super::buffers::{Role, role};
use super::layout::Mapped;
use super::report::{Entry, LoadReport};
use super::tensor_file::{FileTensor, first_non_finite};
use super::{HeadClasses, Weights, WeightsConfig, WeightsError};
use crate::init::{Initializer, take_pending};
use crate::lora;
use crate::params::{ParamKind, Params};
use crate::pattern::matches;

/// The most elements that a parameter may have: 8 GiB of f32. A net that asks for more was given
/// sizes that are wrong, and to find that out by allocating ends the process.
const MAX_ELEMENTS: usize = 1 << 31;

/// How the note on a head that has been there and is initialized begins.
const HEAD_REPLACED: &str = "head replaced";

/// Where the tensors come from.
#[derive(Debug)]
pub(super) enum Source {
    Nothing,
    File(BTreeMap<String, Mapped>),
    Params(Params),
}

/// What was asked for and answered so far.
#[derive(Debug)]
pub(super) struct State {
    config: WeightsConfig,
    source: Source,
    params: Params,
    report: LoadReport,
    /// The layers that asked for an adapter, and whether they got one.
    layers: BTreeMap<String, bool>,
    /// Why a tensor of the head was initialized: then all of it is.
    head_replaced: Option<String>,
}

/// What a request was answered with: the list of the report it goes to, and the value.
enum Answer {
    Loaded(Var),
    Adapted(Var),
    Initialize,
    Missing,
    Mismatched,
}

/// One request of the net.
struct Request<'a> {
    name: &'a str,
    shape: Shape,
    dtype: DType,
    device: &'a Device,
}

impl State {
    pub(super) fn new(config: WeightsConfig, source: Source, origin: Option<String>) -> Self {
        let report = LoadReport { source: origin, ..LoadReport::default() };
        Self {
            config,
            source,
            params: Params::new(),
            report,
            layers: BTreeMap::new(),
            head_replaced: None,
        }
    }

    /// The answer to a request: the same tensor as before, or a new one that is noted in the
    /// report.
    fn answer(&mut self, request: &Request<'_>, initializer: Initializer) -> Result<Tensor> {
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
        let (answer, from, note) = self.find(request)?;
        if matches!(answer, Answer::Initialize) && note.starts_with(HEAD_REPLACED) {
            self.head_replaced.get_or_insert_with(|| note.clone());
        }
        let zeros = || Var::zeros(shape, *dtype, device);
        let (list, var) = match answer {
            Answer::Loaded(var) => (&mut self.report.loaded, var),
            Answer::Adapted(var) => (&mut self.report.adapted, var),
            Answer::Initialize => {
                let values = initializer.tensor(self.config.seed, name, shape, *dtype, device)?;
                (&mut self.report.initialized, Var::from_tensor(&values)?)
            }
            Answer::Missing => (&mut self.report.missing, zeros()?),
            Answer::Mismatched => (&mut self.report.mismatched, zeros()?),
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

    /// What the source has for the request: the answer, the name in the file, and a note.
    fn find(&self, request: &Request<'_>) -> Result<(Answer, Option<String>, String)> {
        match &self.source {
            Source::Nothing => Ok((Answer::Initialize, None, String::new())),
            Source::Params(params) => {
                let (answer, note) = match params.get(request.name) {
                    Some(param) => from_param(&param.var, request)?,
                    None => (Answer::Missing, String::new()),
                };
                Ok((answer, None, note))
            }
            Source::File(mapped) => match mapped.get(request.name) {
                Some(found) => {
                    let (answer, note) = from_file(found, request, &self.config)?;
                    let is_head = is_under(&self.config.head, request.name);
                    // A bias that would fit goes with the weight that does not.
                    let (answer, note) = match (&self.head_replaced, &answer) {
                        (_, Answer::Initialize) => (answer, note),
                        (Some(note), _) if is_head => (Answer::Initialize, note.clone()),
                        _ => (answer, note),
                    };
                    Ok((answer, Some(found.from.clone()), note))
                }
                None if self.is_of_adapter(request.name) => {
                    Ok((Answer::Initialize, None, "adapter".to_string()))
                }
                None if self.has_no_head(mapped, request.name) => {
                    Ok((Answer::Initialize, None, "the file has no head".to_string()))
                }
                None => Ok(match first_match(&self.config.allow_missing, request.name) {
                    Some(pattern) => {
                        let note = format!("not in the file, allowed by `{pattern}`");
                        (Answer::Initialize, None, note)
                    }
                    None => (Answer::Missing, None, String::new()),
                }),
            },
        }
    }

    /// Whether `name` is a part of the head, of which the file has nothing.
    fn has_no_head(&self, mapped: &BTreeMap<String, Mapped>, name: &str) -> bool {
        let head = &self.config.head;
        is_under(head, name) && !mapped.keys().any(|name| is_under(head, name))
    }

    /// The shape that the source has for `name`.
    fn shape_of(&self, name: &str) -> Option<Shape> {
        match &self.source {
            Source::Nothing => None,
            Source::File(mapped) => mapped.get(name).map(|found| found.tensor.shape().into()),
            Source::Params(params) => params.get(name).map(|param| param.var.shape().clone()),
        }
    }

    pub(super) fn finish(&self) -> std::result::Result<(Params, LoadReport), WeightsError> {
        let mut report = self.report.clone();
        self.add_leftovers(&mut report);
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
        let WeightsConfig { freeze, trainable, .. } = &self.config;
        self.check_targets()?;
        self.params.check_patterns(freeze.iter().chain(trainable))?;
        self.check_allowed(&report)?;
        Ok((self.params.clone(), report))
    }

    /// Answers a layer that asks whether it has an adapter.
    fn grant_adapter(&mut self, layer: &str) -> bool {
        let Some(adapters) = &self.config.adapters else { return false };
        let is_head = is_under(std::slice::from_ref(&adapters.head), layer);
        let granted = adapters.lora.targets(layer) && (adapters.head.is_empty() || !is_head);
        self.layers.insert(layer.to_string(), granted);
        if granted {
            lora::grant(adapters);
        }
        granted
    }

    fn is_of_adapter(&self, name: &str) -> bool {
        let mut parts = lora::PARTS.iter();
        let layer = parts.find_map(|part| name.strip_suffix(&format!(".{part}.weight")));
        layer.is_some_and(|layer| self.layers.get(layer) == Some(&true))
    }

    /// Whether each target stands for a layer.
    fn check_targets(&self) -> std::result::Result<(), WeightsError> {
        let Some(adapters) = &self.config.adapters else { return Ok(()) };
        for target in &adapters.lora.targets {
            let mut granted = self.layers.iter().filter(|(_, granted)| **granted);
            if !granted.any(|(layer, _)| lora::is_target(target, layer)) {
                let example = self.layers.keys().next().cloned().unwrap_or_default();
                let target = target.clone();
                return Err(WeightsError::NoLayerMatches { target, example });
            }
        }
        Ok(())
    }

    /// Whether each pattern that allows something stands for a parameter or a tensor of the file.
    fn check_allowed(&self, report: &LoadReport) -> std::result::Result<(), WeightsError> {
        let Source::File(mapped) = &self.source else { return Ok(()) };
        let WeightsConfig { allow_missing, allow_unused, .. } = &self.config;
        for pattern in allow_missing {
            if !self.params.names().any(|name| matches(pattern, name)) {
                let example = self.params.names().next().unwrap_or_default().to_string();
                let (pattern, what) = (pattern.clone(), "parameter of the net");
                return Err(WeightsError::AllowsNothing { pattern, what, example });
            }
        }
        for pattern in allow_unused {
            let mut names = mapped.iter().map(|(name, found)| [name, &found.from]);
            if !names.any(|names| names.iter().any(|name| matches(pattern, name))) {
                let example = report.loaded.iter().find_map(|entry| entry.from.clone());
                let (pattern, what) = (pattern.clone(), "tensor of the file");
                let example = example.unwrap_or_default();
                return Err(WeightsError::AllowsNothing { pattern, what, example });
            }
        }
        Ok(())
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

    /// Notes what the source has and nobody asked for.
    fn add_leftovers(&self, report: &mut LoadReport) {
        match &self.source {
            Source::Nothing => {}
            Source::Params(params) => {
                let left = params.iter().filter(|(name, _)| self.params.get(name).is_none());
                report.unused.extend(left.map(|(name, param)| Entry {
                    name: name.clone(),
                    shape: param.var.dims().to_vec(),
                    from: None,
                    note: String::new(),
                }));
            }
            Source::File(mapped) => {
                let left = mapped.iter().filter(|(name, _)| self.params.get(name).is_none());
                for (name, Mapped { from, tensor, .. }) in left {
                    let allowed = &self.config.allow_unused;
                    let allowed = first_match(allowed, name).or(first_match(allowed, from));
                    let known = first_match(&self.config.key_map.skip, name);
                    let (list, note) = match (role(name), known, allowed) {
                        (Role::Skipped, ..) => {
                            (&mut report.skipped, "no weight, by its name".to_string())
                        }
                        (_, Some(pattern), _) => {
                            let note = format!("of no use to this net, key map's `{pattern}`");
                            (&mut report.skipped, note)
                        }
                        (_, _, Some(pattern)) => {
                            (&mut report.skipped, format!("allowed by `{pattern}`"))
                        }
                        _ => (&mut report.unused, String::new()),
                    };
                    list.push(Entry {
                        name: name.clone(),
                        shape: tensor.shape().to_vec(),
                        from: Some(from.clone()),
                        note,
                    });
                }
            }
        }
    }
}

impl WeightsConfig {
    /// Whether the weight `name` is frozen.
    fn is_frozen(&self, name: &str) -> bool {
        let trainable = self.trainable.is_empty() || first_match(&self.trainable, name).is_some();
        !trainable || first_match(&self.freeze, name).is_some()
    }
}

/// The same variable, or a converted copy where dtype or device differ.
fn from_param(var: &Var, request: &Request<'_>) -> Result<(Answer, String)> {
    if var.shape() != &request.shape {
        let note = format!("the parameter has {:?}", var.dims());
        return Ok((Answer::Mismatched, note));
    }
    if var.dtype() == request.dtype && var.device().same_device(request.device) {
        return Ok((Answer::Loaded(var.clone()), String::new()));
    }
    let copy = var.as_detached_tensor().to_device(request.device)?.to_dtype(request.dtype)?;
    Ok((Answer::Loaded(Var::from_tensor(&copy)?), "copied".to_string()))
}

fn from_file(
    found: &Mapped,
    request: &Request<'_>,
    config: &WeightsConfig,
) -> Result<(Answer, String)> {
    let tensor = match &found.tensor {
        FileTensor::Float(tensor) => tensor,
        FileTensor::Other { dtype, shape } => {
            let note = format!("the file has {shape:?} of type {dtype}, which is no float");
            return Ok((Answer::Mismatched, note));
        }
    };
    let (wanted, dims) = (request.shape.dims(), tensor.dims());
    let is_head = is_under(&config.head, request.name);
    let positions = config.positions.as_ref().filter(|p| p.name == request.name);
    // As many patches may still be another grid.
    let grid = positions.and_then(|positions| positions.grid_of(dims));
    let other_grid = positions.zip(grid).filter(|(p, grid)| *grid != (p.height, p.width));
    if wanted == dims && other_grid.is_none() {
        return match (&config.classes, wanted.first()) {
            (HeadClasses::Others(which), _) if is_head => {
                Ok((Answer::Initialize, format!("{HEAD_REPLACED}: {which}")))
            }
            (HeadClasses::Reordered(rows), Some(classes)) if is_head && rows.len() == *classes => {
                let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
                let rows = Tensor::new(rows, tensor.device())?;
                let note = "head: its rows in the order of the data's classes".to_string();
                convert(&tensor.index_select(&rows, 0)?, request, Answer::Adapted, note)
            }
            _ => convert(tensor, request, Answer::Loaded, found.note.clone()),
        };
    }
    let differs = format!("the file has {dims:?}");
    let keras = match *dims {
        [input, out] => wanted == [out, input],
        [h, w, input, out] => wanted == [out, input, h, w],
        _ => false,
    };
    if is_head && !keras && wanted.len() == dims.len() {
        return Ok((Answer::Initialize, format!("{HEAD_REPLACED}: {differs}")));
    }
    if is_under(&config.stem, request.name) {
        match (wanted, dims) {
            (&[o, 1, h, w], &[fo, channels, fh, fw]) if [o, h, w] == [fo, fh, fw] => {
                let sum = tensor.to_dtype(wide(tensor.dtype()))?.sum_keepdim(1)?;
                let note = format!("stem: {channels} input channels summed to 1");
                return convert(&sum, request, Answer::Adapted, note);
            }
            // As timm's `adapt_input_conv` does, which knows of 3 channels alone.
            (&[o, n, h, w], &[fo, channels, fh, fw])
                if channels > 0 && [o, h, w] == [fo, fh, fw] =>
            {
                let scaled =
                    (tensor.to_dtype(wide(tensor.dtype()))? * (channels as f64 / n as f64))?;
                let repeated = scaled.repeat((1, n.div_ceil(channels), 1, 1))?;
                let shared = repeated.narrow(1, 0, n)?.contiguous()?;
                let plural = if channels == 1 { "" } else { "s" };
                let note = format!("stem: {channels} input channel{plural} shared out to {n}");
                return convert(&shared, request, Answer::Adapted, note);
            }
            _ => {}
        }
    }
    if let Some((positions, (rows, columns))) = other_grid {
        let resampled =
            positions.resample(&tensor.to_dtype(wide(tensor.dtype()))?, (rows, columns))?;
        if resampled.dims() == wanted {
            let (height, width) = (positions.height, positions.width);
            let note = format!("positions: {rows}x{columns} patches resampled to {height}x{width}");
            return convert(&resampled, request, Answer::Adapted, note);
        }
    }
    let hint = if keras { "; that is Keras's order, a layout may be what lacks" } else { "" };
    Ok((Answer::Mismatched, differs + hint))
}

/// The file's tensor as a variable of the wanted dtype, which may be too small for it.
fn convert(
    tensor: &Tensor,
    request: &Request<'_>,
    answer: fn(Var) -> Answer,
    mut note: String,
) -> Result<(Answer, String)> {
    let converted = tensor.to_dtype(request.dtype)?;
    if tensor.dtype() != request.dtype {
        if let Some((index, _)) = first_non_finite(&converted)? {
            let (dtype, wanted) = (tensor.dtype().as_str(), request.dtype.as_str());
            let note = format!("element {index} of the file's {dtype} is too large for {wanted}");
            return Ok((Answer::Mismatched, note));
        }
        if !note.is_empty() {
            note.push_str(", ");
        }
        note += &format!("{} to {}", tensor.dtype().as_str(), request.dtype.as_str());
    }
    // A variable has storage of its own: training must not change the file's tensors.
    let converted = converted.to_device(request.device)?;
    Ok((answer(Var::from_tensor(&converted)?), note))
}

/// The type to add in: half precision is widened first.
fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

fn is_under(prefixes: &[String], name: &str) -> bool {
    prefixes.iter().any(|prefix| {
        name.strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || prefix.is_empty())
    })
}

fn first_match<'a>(patterns: &'a [String], name: &str) -> Option<&'a str> {
    patterns.iter().map(String::as_str).find(|pattern| matches(pattern, name))
}

impl SimpleBackend for Weights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        hint: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let initializer = take_pending().unwrap_or_else(|| Initializer::from_candle(hint, &shape));
        self.lock().answer(&Request { name, shape, dtype, device }, initializer)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut state = self.lock();
        let Some(shape) = state.shape_of(name) else {
            candle_core::bail!("there is no tensor `{name}`, and no shape to initialize it with")
        };
        state.answer(&Request { name, shape, dtype, device }, Initializer::Zeros)
    }

    /// Whether the file (or the set of parameters) has the tensor; without one, whether it was
    /// asked for before.
    ///
    /// A layer that asks for its adapter's first weight learns whether it is to have one.
    fn contains_tensor(&self, name: &str) -> bool {
        let mut state = self.lock();
        if let Some(layer) = name.strip_suffix(&format!(".{}.weight", lora::PARTS[0])) {
            return state.grant_adapter(layer);
        }
        state.params.get(name).is_some() || state.shape_of(name).is_some()
    }
}
