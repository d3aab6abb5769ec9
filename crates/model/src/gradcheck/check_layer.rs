//! Everything that a layer promises, checked.

use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Result, Tensor, Var};

use super::difference::{Gradcheck, GradcheckConfig, gradcheck, numbers};
use super::error::{CheckError, Mode};
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::params::{ParamKind, Params};
use crate::rng::RngKey;
use crate::weights::{self, TensorFile, Weights, WeightsConfig};

/// The prefix that the layer is built under, so that a name asked for elsewhere shows.
const PREFIX: &str = "layer";
const SEED: u64 = 7;

/// What [`check_layer`] saw of a layer that keeps its promises; for assertions on names.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCheck {
    /// The names of its parameters, sorted, without the layer's prefix.
    pub parameters: Vec<String>,
    /// The names of its buffers, likewise.
    pub buffers: Vec<String>,
    /// The gradients in evaluation mode.
    pub evaluation: Gradcheck,
    /// The gradients in training mode.
    pub training: Gradcheck,
    /// In which type gradients were compared with differences: f64, or f32 for a layer that refuses f64.
    pub dtype: DType,
}

/// What [`check_layer_with`] looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerCheckConfig {
    /// At most so many elements of the input and of each parameter are compared with differences, evenly spread; 0,
    /// the default: all.
    pub sample: usize,
}

/// Builds a layer (or a net) with seeded weights on a CPU and checks what every layer promises:
///
/// 1. its output has `output_shape`, the input's dtype and only finite elements, in training and in
///    evaluation mode;
/// 2. its parameters lie under the prefix that it was given, and are the same ones when it is built
///    again;
/// 3. the gradients for the input and every trainable parameter are those of finite differences, in
///    f64, in both modes, with the default [`GradcheckConfig`];
/// 4. evaluation twice gives the same bits, also at another step of the `RngKey`;
/// 5. training twice with the same seed and step gives the same bits;
/// 6. after saving and loading its parameters and buffers, evaluation gives the same bits, also
///    with another seed;
/// 7. in f32 its output is that in f64 to 1e-4, relative to 1 + the value, and its gradients, in both modes, to
///    1e-3, relative to 1 + the largest: these are other kernels, those that training takes.
///
/// A layer that refuses f64, as some of candle's do, is checked in f32, where differences are right to two digits or
/// so ([`GradcheckConfig::single`]); [`LayerCheck::dtype`] says it.
///
/// `build` is called several times, with the same names but other dtypes. The parameters are moved
/// off their first values by up to 0.1, buffers by up to 0.5 upwards, so that a forgotten zero or
/// one shows. Inputs are random between -2 and 2; the work grows with (elements of input and
/// parameters) times (cost of a forward pass): keep shapes small.
///
/// ```
/// use taper_model::gradcheck::check_layer;
/// use taper_model::layers::{BatchNorm, BatchNormConfig};
///
/// let check = check_layer(
///     |vb, _key| BatchNorm::new(3, BatchNormConfig::default(), vb),
///     &[2, 3, 2, 2],
///     &[2, 3, 2, 2],
/// )?;
/// assert_eq!(check.parameters, ["bias", "weight"]);
/// assert_eq!(check.buffers, ["running_mean", "running_var"]);
/// # Ok::<(), taper_model::gradcheck::CheckError>(())
/// ```
///
/// # Errors
///
/// The first promise that is broken, as a [`CheckError`] that says which and where; errors of
/// `build` and of the layer.
pub fn check_layer<M: ModuleT>(
    build: impl Fn(ParamBuilder<'static>, &RngKey) -> Result<M>,
    input_shape: &[usize],
    output_shape: &[usize],
) -> std::result::Result<LayerCheck, CheckError> {
    check_layer_with(build, input_shape, output_shape, &LayerCheckConfig::default())
}

/// As [`check_layer`], for some of the elements: a whole net takes seconds.
///
/// # Errors
///
/// As [`check_layer`].
pub fn check_layer_with<M: ModuleT>(
    build: impl Fn(ParamBuilder<'static>, &RngKey) -> Result<M>,
    input_shape: &[usize],
    output_shape: &[usize],
    config: &LayerCheckConfig,
) -> std::result::Result<LayerCheck, CheckError> {
    let check = |dtype| check_in(dtype, &build, input_shape, output_shape, config);
    match check(DType::F64) {
        // Candle's words for it, whatever the operation.
        Err(CheckError::Candle(error)) if error.to_string().contains("unsupported dtype") => {
            check(DType::F32)
        }
        checked => checked,
    }
}

fn check_in<M: ModuleT>(
    dtype: DType,
    build: &impl Fn(ParamBuilder<'static>, &RngKey) -> Result<M>,
    input_shape: &[usize],
    output_shape: &[usize],
    config: &LayerCheckConfig,
) -> std::result::Result<LayerCheck, CheckError> {
    let key = RngKey::new(SEED);
    let built = Built::new(build, &key, dtype, None)?;
    let names = built.names()?;
    perturb(&built.params)?;
    let before = built.params.to_tensors()?;
    let saved = weights::to_bytes(&built.params, &BTreeMap::new(), DType::F32)?;
    let other_key = RngKey::new(SEED + 1);
    let reloaded = Built::new(build, &other_key, dtype, Some(&saved))?;
    if reloaded.names()? != names {
        return Err(CheckError::Names { first: names, second: reloaded.names()? });
    }

    let x = Initializer::Uniform { low: -2.0, high: 2.0 };
    let x = x.tensor(SEED, "input", &input_shape.into(), dtype, &Device::Cpu)?;
    let x = Var::from_tensor(&x)?;

    let evaluate = || built.layer.forward_t(&x, false);
    // Built anew around the same parameters for each pass: each is the first call of its step.
    let train = || {
        let key = RngKey::new(SEED);
        key.set_step(5);
        let again = Weights::from_params(&built.params, std::iter::empty::<String>());
        build(again.var_builder(dtype, &Device::Cpu).pp(PREFIX), &key)?.forward_t(&x, true)
    };
    let trained = train()?;
    built.params.set(&before)?;
    let evaluated = evaluate()?;
    check_output(&trained, Mode::Training, output_shape, dtype)?;
    check_output(&evaluated, Mode::Evaluation, output_shape, dtype)?;
    key.set_step(6);
    if bits(&evaluate()?)? != bits(&evaluated)? {
        return Err(CheckError::EvaluationDiffers);
    }
    if bits(&train()?)? != bits(&trained)? {
        return Err(CheckError::TrainingDiffers);
    }
    built.params.set(&before)?;

    let mut variables = vec![("input".to_owned(), x.clone())];
    variables.extend(built.params.trainable());
    let config = GradcheckConfig {
        sample: config.sample,
        ..if dtype == DType::F64 { GradcheckConfig::default() } else { GradcheckConfig::single() }
    };
    let evaluation = gradcheck(evaluate, &variables, &config)
        .map_err(|error| in_mode(error, Mode::Evaluation))?;
    let training =
        gradcheck(train, &variables, &config).map_err(|error| in_mode(error, Mode::Training))?;

    if bits(&reloaded.layer.forward_t(&x, false)?)? != bits(&evaluated)? {
        return Err(CheckError::ReloadDiffers);
    }

    let single = Built::new(build, &key, DType::F32, Some(&saved))?;
    let single_x = Var::from_tensor(&x.to_dtype(DType::F32)?)?;
    let output = single.layer.forward_t(&single_x, false)?;
    check_output(&output, Mode::Evaluation, output_shape, DType::F32)?;
    let differences = bits(&output.to_dtype(DType::F64)?)?
        .into_iter()
        .zip(bits(&evaluated)?)
        .map(|(single, double)| (f64::from_bits(single), f64::from_bits(double)))
        .map(|(single, double)| (single - double).abs() / (1.0 + double.abs()));
    let difference = largest_of(differences);
    if difference > 1e-4 {
        return Err(CheckError::Precision { difference });
    }
    if dtype == DType::F64 {
        // Training has moved the running statistics.
        built.params.set(&before)?;
        for mode in [Mode::Evaluation, Mode::Training] {
            let gradients = |built: &Built<M>, x: &Var| built.gradients(build, x, mode);
            let (found, expected) = (gradients(&single, &single_x)?, gradients(&built, &x)?);
            compare_gradients(mode, &found, &expected)?;
        }
    }

    let short = |kind: fn(ParamKind) -> bool| {
        let of_kind = built.params.iter().filter(|(_, param)| kind(param.kind));
        of_kind.map(|(name, _)| name.strip_prefix("layer.").unwrap_or(name).to_owned()).collect()
    };
    Ok(LayerCheck {
        parameters: short(|kind| kind != ParamKind::Buffer),
        buffers: short(|kind| kind == ParamKind::Buffer),
        evaluation,
        training,
        dtype,
    })
}

/// The largest difference; infinite where one is NaN.
fn largest_of(differences: impl Iterator<Item = f64>) -> f64 {
    differences.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max)
}

/// Whether gradients in f32 are those in f64.
fn compare_gradients(
    mode: Mode,
    found: &[(String, Vec<f64>)],
    expected: &[(String, Vec<f64>)],
) -> std::result::Result<(), CheckError> {
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let largest = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        let off = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
        // Where the tape reaches a parameter in one type alone, all of its gradient is missing.
        let off = if found.len() == expected.len() { largest_of(off) } else { f64::INFINITY };
        let difference = off / (1.0 + largest);
        if difference > 1e-3 {
            return Err(CheckError::PrecisionOfGradient { mode, name: name.clone(), difference });
        }
    }
    Ok(())
}

/// A layer with its parameters.
struct Built<M> {
    layer: M,
    params: Params,
}

impl<M: ModuleT> Built<M> {
    /// Builds it from a saved file's bytes, or from seeded first values.
    fn new(
        build: impl Fn(ParamBuilder<'static>, &RngKey) -> Result<M>,
        key: &RngKey,
        dtype: DType,
        saved: Option<&[u8]>,
    ) -> std::result::Result<Self, CheckError> {
        let source = saved.map(|bytes| TensorFile::from_bytes(bytes, "check_layer")).transpose()?;
        let weights =
            Weights::new(WeightsConfig { source, seed: SEED, ..WeightsConfig::default() })?;
        let layer = build(weights.var_builder(dtype, &Device::Cpu).pp(PREFIX), key)?;
        let (params, _) = weights.finish()?;
        Ok(Self { layer, params })
    }

    /// The gradients of a weighted sum of the output, of the layer built anew around its parameters; empty for what
    /// has none.
    fn gradients(
        &self,
        build: &impl Fn(ParamBuilder<'static>, &RngKey) -> Result<M>,
        x: &Var,
        mode: Mode,
    ) -> Result<Vec<(String, Vec<f64>)>> {
        let key = RngKey::new(SEED);
        key.set_step(5);
        let before = self.params.to_tensors()?;
        let again = Weights::from_params(&self.params, std::iter::empty::<String>());
        let layer = build(again.var_builder(x.dtype(), &Device::Cpu).pp(PREFIX), &key)?;
        let output = layer.forward_t(x, mode == Mode::Training)?;
        let uniform = Initializer::Uniform { low: -1.0, high: 1.0 };
        let weights = uniform.tensor(0, "gradcheck", output.shape(), x.dtype(), &Device::Cpu)?;
        let store = (output * weights)?.sum_all()?.backward()?;
        // Running statistics have moved.
        self.params.set(&before).map_err(candle_core::Error::wrap)?;
        let variables =
            [("input".to_owned(), x.clone())].into_iter().chain(self.params.trainable());
        let gradient = |(name, var): (String, Var)| {
            Ok((name, store.get(&var).map_or(Ok(Vec::new()), numbers)?))
        };
        variables.map(gradient).collect()
    }

    fn names(&self) -> std::result::Result<Vec<String>, CheckError> {
        let names: Vec<String> = self.params.names().map(str::to_owned).collect();
        match names.iter().find(|name| !name.starts_with("layer.")) {
            Some(name) => Err(CheckError::Prefix { name: name.clone(), prefix: PREFIX }),
            None => Ok(names),
        }
    }
}

/// Moves every parameter and buffer off its first values, to numbers that f32 holds exactly: a file
/// does too.
fn perturb(params: &Params) -> Result<()> {
    for (name, param) in params {
        let noise = match param.kind {
            // Upwards alone: a variance stays positive.
            ParamKind::Buffer => Initializer::Uniform { low: 0.0, high: 0.5 },
            _ => Initializer::Uniform { low: -0.1, high: 0.1 },
        };
        let noise = noise.tensor(
            SEED + 1,
            name,
            param.var.shape(),
            param.var.dtype(),
            param.var.device(),
        )?;
        let moved = (param.var.as_detached_tensor() + noise)?.to_dtype(DType::F32)?;
        let moved = moved.to_dtype(param.var.dtype())?;
        param.var.set(&moved)?;
    }
    Ok(())
}

fn check_output(
    output: &Tensor,
    mode: Mode,
    expected: &[usize],
    dtype: DType,
) -> std::result::Result<(), CheckError> {
    if output.dims() != expected {
        return Err(CheckError::Shape {
            mode,
            expected: expected.to_vec(),
            found: output.dims().to_vec(),
        });
    }
    if output.dtype() != dtype {
        return Err(CheckError::DType { expected: dtype, found: output.dtype() });
    }
    let finite = bits(&output.to_dtype(DType::F64)?)?
        .into_iter()
        .all(|bits| f64::from_bits(bits).is_finite());
    if finite { Ok(()) } else { Err(CheckError::NotFinite { mode }) }
}

/// The elements' bits, so that comparing them is exact and -0 is not 0.
fn bits(tensor: &Tensor) -> Result<Vec<u64>> {
    Ok(numbers(tensor)?.into_iter().map(f64::to_bits).collect())
}

fn in_mode(error: CheckError, mode: Mode) -> CheckError {
    match error {
        CheckError::Gradient(worst) => CheckError::LayerGradient { mode, worst },
        other => other,
    }
}
