//! What every operation's tests share: one function that holds all implementations against each other.

use crate::counter::Counter;
use crate::implementation::{Implementation, with_implementation};
use candle_core::{D, DType, Device, Result, Tensor, Var};

/// Numbers of an operation's inputs that Miri, which runs some thousand times slower, gets to see; operations of more are
/// left out.
const MOST_UNDER_MIRI: usize = 400;

/// Normal random numbers, the same for the same seed.
pub(crate) fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let counter = Counter::new(seed);
    let n = shape.iter().product::<usize>();
    if cfg!(miri) && n > MOST_UNDER_MIRI {
        return Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
    }
    let data: Vec<f64> = (0..n as u64).map(|i| counter.normal(i)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// A number from `low..=high`, to draw shapes with.
pub(crate) fn pick(seed: u64, index: u64, low: usize, high: usize) -> usize {
    low + (Counter::new(seed).bits(index) % (high - low + 1) as u64) as usize
}

/// How the inputs of an operation lie in memory.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    Contiguous,
    /// At an offset, the last two dimensions swapped.
    Strided,
}

pub(crate) struct Outcome {
    pub value: Tensor,
    pub gradients: Vec<Tensor>,
}

/// Value and gradients of a random weighted sum of the outputs.
fn outcome(
    implementation: Implementation,
    dtype: DType,
    memory: Memory,
    inputs: &[Tensor],
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) -> Outcome {
    outcome_of(usize::MAX, implementation, dtype, memory, inputs, f)
}

/// [`outcome`] of those inputs alone whose bits in `tracked` are set; the other gradients are zeros.
fn outcome_of(
    tracked: usize,
    implementation: Implementation,
    dtype: DType,
    memory: Memory,
    inputs: &[Tensor],
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) -> Outcome {
    let run = || -> Result<Outcome> {
        let vars: Vec<Var> =
            inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype)?)).collect::<Result<_>>()?;
        let arguments: Vec<Tensor> = vars
            .iter()
            .enumerate()
            .map(|(i, var)| match memory {
                _ if tracked >> i & 1 == 0 => Ok(var.as_detached_tensor()),
                Memory::Contiguous => Ok(var.as_tensor().clone()),
                Memory::Strided => strided(var.as_tensor()),
            })
            .collect::<Result<_>>()?;
        let value = f(&arguments)?;
        let weights = normal(99, value.dims()).to_dtype(dtype)?;
        let store = (&value * weights)?.sum_all()?.backward()?;
        let gradient = |var: &Var| store.get(var).cloned().map_or_else(|| var.zeros_like(), Ok);
        let gradients = vars.iter().map(gradient).collect::<Result<_>>()?;
        Ok(Outcome { value: value.detach(), gradients })
    };
    with_implementation(implementation, run)
        .unwrap_or_else(|e| panic!("{implementation:?} {dtype:?}: {e}"))
}

fn strided(t: &Tensor) -> Result<Tensor> {
    let doubled = Tensor::cat(&[t, t], 0)?.narrow(0, t.dim(0)?, t.dim(0)?)?;
    let rank = t.rank();
    if rank < 2 {
        return Ok(doubled);
    }
    doubled.transpose(rank - 1, rank - 2)?.contiguous()?.transpose(rank - 1, rank - 2)
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Every difference is at most `tolerance`, of the expected number where that is above 1.
pub(crate) fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let scale = expected.ones_like().unwrap();
    assert_within(what, found, expected, &scale, tolerance);
}

/// Every difference is at most `tolerance` times the sum of the expected number and its scale.
fn assert_within(what: &str, found: &Tensor, expected: &Tensor, scale: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    assert_eq!(scale.dims(), expected.dims(), "{what}: shape of the scale");
    let (found, expected, scale) = (numbers(found), numbers(expected), numbers(scale));
    for (i, ((a, b), scale)) in found.iter().zip(&expected).zip(&scale).enumerate() {
        let units = (a - b).abs() / tolerance;
        let most = b.abs() + scale.abs();
        assert!(
            a == b || units <= most,
            "{what}: element {i}: {a} for {b}, {} times what may be",
            units / most
        );
    }
}

fn assert_outcomes_within(
    what: &str,
    found: &Outcome,
    expected: &Outcome,
    scale: &Outcome,
    tolerance: f64,
) {
    let value = format!("{what}, value");
    assert_within(&value, &found.value, &expected.value, &scale.value, tolerance);
    let gradients = found.gradients.iter().zip(&expected.gradients).zip(&scale.gradients);
    for (i, ((a, b), scale)) in gradients.enumerate() {
        assert_within(&format!("{what}, gradient {i}"), a, b, scale, tolerance);
    }
}

fn assert_same_bits(what: &str, a: &Outcome, b: &Outcome) {
    let tensors = |o: &Outcome| {
        std::iter::once(&o.value).chain(&o.gradients).map(numbers).collect::<Vec<_>>()
    };
    let bits = |o: &Outcome| {
        tensors(o)
            .into_iter()
            .map(|t| t.into_iter().map(f64::to_bits).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    assert!(bits(a) == bits(b), "{what}: other bits");
}

/// All implementations. The first is the one that the others are held against.
const IMPLEMENTATIONS: &[Implementation] = if cfg!(miri) {
    &[Implementation::Naive, Implementation::Portable]
} else {
    &[
        Implementation::Naive,
        Implementation::Auto,
        Implementation::Avx512,
        Implementation::Avx2,
        Implementation::Portable,
        Implementation::Composed,
    ]
};

/// How many times its scale a number may be off, in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    of_scale: f64,
    /// Whether the scale of each number is the largest of its plane (of the last two of four dimensions).
    planes: bool,
}

impl Tolerance {
    /// For kernels that mix the numbers of a plane, so that each gets the rounding errors of the others.
    pub(crate) fn of_planes(of_scale: f64) -> Self {
        Self { of_scale, planes: true }
    }
}

impl From<f64> for Tolerance {
    fn from(of_scale: f64) -> Self {
        Self { of_scale, planes: false }
    }
}

/// [`check_scaled`] for an operation that is a sum of products, or these cut off at zero: its scale is the same sum of
/// the absolute values.
pub(crate) fn check_implementations(
    what: &str,
    tolerance: impl Into<Tolerance>,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
) {
    check_scaled(what, tolerance, inputs, &f, |t| {
        f(&t.iter().map(Tensor::abs).collect::<Result<Vec<_>>>()?)
    });
}

/// Holds all implementations of an operation of `f64` inputs against the naive one: values and gradients
/// in `f64` and `f32`, for inputs anywhere in memory, with 1, 2 and 4 threads, whichever of the inputs are tracked.
///
/// `scale` gives for each number of the result, and by its own gradients for each number of theirs, the sum of the
/// absolute values of what is added up to it: rounding errors are some units in the last place of that. In `f32` (24
/// bits, 6e-8) `tolerance` says how many, usually 1e-6. In `f64` the implementations differ by the order of sums alone,
/// so 1e-13 is ample.
pub(crate) fn check_scaled(
    what: &str,
    tolerance: impl Into<Tolerance>,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
    scale: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    if cfg!(miri) && inputs.iter().any(|x| x.elem_count() > MOST_UNDER_MIRI) {
        return;
    }
    let tolerance = tolerance.into();
    let mut scale = scales(inputs, scale).unwrap_or_else(|e| panic!("{what}, scale: {e}"));
    if tolerance.planes {
        std::iter::once(&mut scale.value).chain(&mut scale.gradients).for_each(spread);
    }
    let reference = outcome(Implementation::Naive, DType::F64, Memory::Contiguous, inputs, &f);
    for &implementation in IMPLEMENTATIONS {
        let what = format!("{what}, {implementation:?}");
        let double = outcome(implementation, DType::F64, Memory::Contiguous, inputs, &f);
        assert_outcomes_within(&format!("{what} f64"), &double, &reference, &scale, 1e-13);
        let single = outcome(implementation, DType::F32, Memory::Contiguous, inputs, &f);
        assert_outcomes_within(
            &format!("{what} f32"),
            &single,
            &reference,
            &scale,
            tolerance.of_scale,
        );
        let moved = outcome(implementation, DType::F32, Memory::Strided, inputs, &f);
        if implementation == Implementation::Composed {
            // Candle adds up a row of another layout in another order.
            let what = format!("{what}, strided");
            assert_outcomes_within(&what, &moved, &reference, &scale, tolerance.of_scale);
        } else {
            assert_same_bits(&format!("{what}, strided"), &moved, &single);
        }
        if matches!(implementation, Implementation::Naive | Implementation::Auto) {
            check_subsets(&what, implementation, inputs, &single, &f);
        }
        if implementation != Implementation::Composed {
            for &threads in if cfg!(miri) { &[2][..] } else { &[1, 2, 4] } {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let other = pool.install(|| {
                    outcome(implementation, DType::F32, Memory::Contiguous, inputs, &f)
                });
                assert_same_bits(&format!("{what}, {threads} threads"), &other, &single);
            }
        }
    }
}

/// The absolute value of `scale`, and of its gradients for the absolute weights of [`outcome`].
fn scales(inputs: &[Tensor], scale: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<Outcome> {
    let vars: Vec<Var> = inputs.iter().map(Var::from_tensor).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let value = with_implementation(Implementation::Naive, || scale(&tensors))?;
    let weights = normal(99, value.dims()).abs()?;
    let store = (&value * weights)?.sum_all()?.backward()?;
    let gradient = |var: &Var| store.get(var).map_or_else(|| var.zeros_like(), Tensor::abs);
    let gradients = vars.iter().map(gradient).collect::<Result<_>>()?;
    Ok(Outcome { value: value.abs()?.detach(), gradients })
}

/// The largest number of each plane, for all of its numbers.
fn spread(scale: &mut Tensor) {
    if scale.rank() == 4 && scale.elem_count() > 0 {
        let largest = scale.max_keepdim(3).and_then(|rows| rows.max_keepdim(2));
        *scale = largest.and_then(|x| x.broadcast_as(scale.shape())).unwrap();
    }
}

/// A scale whose values are those of one tensor and whose gradients those of another.
pub(crate) fn value_and_gradient(value: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    value.detach() + (gradient - gradient.detach())?
}

/// The scale of rows normalized and multiplied by `gamma`, with `beta` added, both of which may be given for each
/// element or the row. With `own` the statistics are the row's and move with it.
pub(crate) fn normalized_scale(
    x: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    [mean, variance]: [&Tensor; 2],
    own: bool,
) -> Result<Tensor> {
    let (mean, inverse) = (mean.detach(), variance.detach().sqrt()?.recip()?);
    let (gamma, beta, plain) = (gamma.abs()?, beta.abs()?, x.detach());
    let normalized = plain.abs()?.broadcast_add(&mean.abs()?)?.broadcast_mul(&inverse)?;
    let mut linear = x.clone();
    if own {
        let moved = (&normalized * x)?.mean_keepdim(D::Minus1)?;
        linear = linear.broadcast_add(&x.mean_keepdim(D::Minus1)?)?;
        linear = (linear + normalized.broadcast_mul(&moved)?)?;
    }
    let linear = linear.broadcast_mul(&inverse)?.broadcast_mul(&gamma.detach())?;
    let value = normalized.broadcast_mul(&gamma)?.broadcast_add(&beta)?;
    value + (&linear - linear.detach())?
}

/// Each set of tracked inputs has the same value and gradients, bit for bit, as all of them, and no others.
fn check_subsets(
    what: &str,
    implementation: Implementation,
    inputs: &[Tensor],
    all: &Outcome,
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) {
    for tracked in 1..(1 << inputs.len()) - 1 {
        let some = outcome_of(tracked, implementation, DType::F32, Memory::Contiguous, inputs, f);
        let expected = all.gradients.iter().enumerate().map(|(i, gradient)| {
            if tracked >> i & 1 == 1 { gradient.clone() } else { gradient.zeros_like().unwrap() }
        });
        let expected = Outcome { value: all.value.clone(), gradients: expected.collect() };
        assert_same_bits(&format!("{what}, inputs {tracked:b}"), &some, &expected);
    }
}

/// Holds the gradients of every implementation against central differences in `f64`, at up to 24 elements
/// of each input; large inputs are left out.
///
/// The step of 1e-5 leaves a truncation error near 1e-10 times the third derivative, which is of the gradient's own size or
/// of that of the inputs, about 1: 1e-6 of the gradient, or 1e-7, is ample. The rounding error is 1e-16 of what is summed
/// up, divided by the step.
pub(crate) fn check_gradients(
    what: &str,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    const STEP: f64 = 1e-5;
    // Large shapes are there for how they are cut up, which the comparison of values and gradients sees.
    const MOST: usize = 1 << 14;
    if cfg!(miri) || inputs.iter().any(|x| x.elem_count() > MOST) {
        return;
    }
    for &implementation in IMPLEMENTATIONS {
        let analytic = outcome(implementation, DType::F64, Memory::Contiguous, inputs, &f);
        let weights = numbers(&normal(99, analytic.value.dims()));
        let sum = |inputs: &[Tensor]| -> f64 {
            let value = with_implementation(implementation, || f(inputs)).unwrap();
            numbers(&value).iter().zip(&weights).map(|(v, w)| v * w).sum()
        };
        let terms = numbers(&analytic.value).into_iter().zip(&weights).map(|(v, w)| (v * w).abs());
        let rounding = 1e-10 * terms.sum::<f64>();
        for (which, input) in inputs.iter().enumerate() {
            let (original, found) = (numbers(input), numbers(&analytic.gradients[which]));
            for i in (0..original.len()).step_by(original.len().div_ceil(24)) {
                let at = |step: f64| {
                    let mut moved = original.clone();
                    moved[i] += step;
                    let mut inputs = inputs.to_vec();
                    inputs[which] = Tensor::from_vec(moved, input.shape(), &Device::Cpu).unwrap();
                    sum(&inputs)
                };
                let numeric = (at(STEP) - at(-STEP)) / (2. * STEP);
                assert!(
                    (numeric - found[i]).abs() <= 1e-6 * found[i].abs().max(0.1) + rounding,
                    "{what}, {implementation:?}, input {which}, element {i}: {} for {numeric}",
                    found[i]
                );
            }
        }
    }
}

/// The message of an error, on every implementation.
pub(crate) fn assert_error(f: impl Fn() -> Result<Tensor>, parts: &[&str]) {
    for &implementation in IMPLEMENTATIONS {
        let message = with_implementation(implementation, &f).map(|_| ()).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{implementation:?}: {message:?} lacks {part:?}");
        }
    }
}
