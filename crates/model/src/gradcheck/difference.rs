//! Gradients against finite differences.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::error::{CheckError, Worst};
use crate::init::Initializer;

/// Type, step and tolerances of [`gradcheck`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradcheckConfig {
    /// The step of the difference, relative to 1 or the element, whichever is larger; default 1e-5.
    ///
    /// In f64 the central difference is then right to about 1e-10: the step squared times the third
    /// derivative, and rounding (1e-16) over the step.
    pub step: f64,
    /// Tolerated difference relative to the larger of the two gradients; default 1e-5.
    pub rtol: f64,
    /// Tolerated difference besides; default 1e-7.
    pub atol: f64,
    /// At most so many elements of each variable, evenly spread; 0, the default: all.
    pub sample: usize,
    /// Take f32 too, in which differences are right to two digits or so; default false.
    pub single: bool,
}

impl GradcheckConfig {
    /// For f32, with the step that rounding asks for.
    pub fn single() -> Self {
        Self { step: 1e-2, rtol: 5e-2, atol: 1e-2, single: true, ..Self::default() }
    }
}

impl Default for GradcheckConfig {
    fn default() -> Self {
        Self { step: 1e-5, rtol: 1e-5, atol: 1e-7, sample: 0, single: false }
    }
}

/// What [`gradcheck`] found: all within tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradcheck {
    /// How many elements were checked.
    pub elements: usize,
    /// The element nearest to its tolerance; `None` if there was none to check.
    pub worst: Option<Worst>,
}

/// Compares the tape's gradient with central differences, for every element of every variable, or for some.
///
/// `forward` computes a tensor of any shape from `variables`, which it captures; it is called twice
/// an element, so keep them small. It must be deterministic: make a layer that draws anew inside
/// it. The gradient checked is that of the output's sum with fixed random weights, so errors don't
/// cancel.
///
/// `variables` are set to other values while it runs and back again. A variable that the output
/// does not depend on has gradient 0. At a kink (a ReLU at 0, a tie in a maximum) differences mean
/// nothing: keep away from them.
///
/// ```
/// use candle_core::{Device, Var};
/// use taper_model::gradcheck::gradcheck;
///
/// let x = Var::new(&[0.5f64, -1.0, 2.0], &Device::Cpu)?;
/// let check = gradcheck(|| x.sqr()?.exp(), &[("x".into(), x.clone())], &Default::default())?;
/// assert_eq!(check.elements, 3);
///
/// let wrong = gradcheck(|| x.detach().sqr(), &[("x".into(), x.clone())], &Default::default());
/// assert!(wrong.unwrap_err().to_string().contains("the tape never reached `x`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CheckError::Gradient`] with the worst element of all; [`CheckError::NotF64`]; those of
/// `forward`.
pub fn gradcheck(
    forward: impl Fn() -> Result<Tensor>,
    variables: &[(String, Var)],
    config: &GradcheckConfig,
) -> std::result::Result<Gradcheck, CheckError> {
    let f64_alone = |name: &str, tensor: &Tensor| match tensor.dtype() {
        DType::F64 => Ok(()),
        DType::F32 if config.single => Ok(()),
        found => Err(CheckError::NotF64 { name: name.to_owned(), found }),
    };
    for (name, var) in variables {
        f64_alone(name, var)?;
    }
    let output = forward()?;
    f64_alone("output", &output)?;
    let uniform = Initializer::Uniform { low: -1.0, high: 1.0 };
    let weights = uniform.tensor(0, "gradcheck", output.shape(), DType::F64, &Device::Cpu)?;
    let weights = weights.to_device(output.device())?;
    let project = |output: &Tensor| (output.to_dtype(DType::F64)? * &weights)?.sum_all();
    let gradients = project(&output)?.backward()?;

    let mut check = Gradcheck { elements: 0, worst: None };
    for (name, var) in variables {
        let gradient = gradients.get(var).map(numbers);
        let gradient = gradient.transpose()?;
        let shape = var.dims().to_vec();
        let values = numbers(var)?;
        let set = |values: &[f64]| {
            let values = Tensor::from_slice(values, shape.as_slice(), var.device())?;
            var.set(&values.to_dtype(var.dtype())?)
        };
        let count = match config.sample {
            0 => values.len(),
            sample => sample.min(values.len()),
        };
        for element in (0..count).map(|place| place * values.len() / count) {
            let step = config.step * values[element].abs().max(1.0);
            let mut moved = values.clone();
            let mut at = |value: f64| {
                moved[element] = value;
                set(&moved)?;
                forward().and_then(|output| project(&output)?.to_scalar::<f64>())
            };
            let ends =
                at(values[element] + step).and_then(|high| Ok((high, at(values[element] - step)?)));
            set(&values)?;
            let (high, low) = ends?;
            let numeric = (high - low) / (2.0 * step);
            let analytic = gradient.as_ref().map_or(0.0, |gradient| gradient[element]);
            let tolerance = config.atol + config.rtol * analytic.abs().max(numeric.abs());
            // A NaN on either side must not pass as small.
            let ratio = (analytic - numeric).abs() / tolerance;
            let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
            check.elements += 1;
            if check.worst.as_ref().is_none_or(|worst| ratio > worst.ratio) {
                let (name, index) = (name.clone(), unravel(element, &shape));
                let reached = gradient.is_some();
                check.worst = Some(Worst { name, index, analytic, numeric, ratio, reached });
            }
        }
    }
    match check.worst {
        Some(worst) if worst.ratio > 1.0 => Err(CheckError::Gradient(worst)),
        _ => Ok(check),
    }
}

/// All numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()
}

/// The index of the element at `position` of a contiguous tensor.
fn unravel(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &size) in index.iter_mut().zip(shape).rev() {
        *place = position % size;
        position /= size;
    }
    index
}
