//! What every operation's tests share: one function that holds all implementations against each other.

use crate::counter::Counter;
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Result, Tensor, Var};

/// Normal random numbers, the same for the same seed.
pub(crate) fn normal(seed: u64, shape: &[usize]) -> Tensor {
    let counter = Counter::new(seed);
    let n = shape.iter().product::<usize>();
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

/// Every difference is at most `tolerance` times the largest expected number (at least 1).
pub(crate) fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    let (found, expected) = (numbers(found), numbers(expected));
    let scale = expected.iter().fold(1f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}: element {i}: {a} for {b} of {scale}");
    }
}

fn assert_outcomes_close(what: &str, found: &Outcome, expected: &Outcome, tolerance: f64) {
    assert_close(&format!("{what}, value"), &found.value, &expected.value, tolerance);
    for (i, (a, b)) in found.gradients.iter().zip(&expected.gradients).enumerate() {
        assert_close(&format!("{what}, gradient {i}"), a, b, tolerance);
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
const IMPLEMENTATIONS: [Implementation; 6] = [
    Implementation::Naive,
    Implementation::Auto,
    Implementation::Avx512,
    Implementation::Avx2,
    Implementation::Portable,
    Implementation::Composed,
];

/// Holds all implementations of an operation of `f64` inputs against the naive one: values and gradients
/// in `f64` and `f32`, for inputs anywhere in memory, with 1, 2 and 4 threads, whichever of the inputs are tracked.
///
/// In `f64` the implementations differ by the order of sums alone, so 1e-11 is ample. In `f32` (24 bits,
/// 6e-8) sums of up to some thousand terms lose two digits: `tolerance`, usually 1e-5.
pub(crate) fn check_implementations(
    what: &str,
    tolerance: f64,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Sync,
) {
    let reference = outcome(Implementation::Naive, DType::F64, Memory::Contiguous, inputs, &f);
    for implementation in IMPLEMENTATIONS {
        let what = format!("{what}, {implementation:?}");
        let double = outcome(implementation, DType::F64, Memory::Contiguous, inputs, &f);
        assert_outcomes_close(&format!("{what} f64"), &double, &reference, 1e-11);
        let single = outcome(implementation, DType::F32, Memory::Contiguous, inputs, &f);
        assert_outcomes_close(&format!("{what} f32"), &single, &reference, tolerance);
        let moved = outcome(implementation, DType::F32, Memory::Strided, inputs, &f);
        assert_same_bits(&format!("{what}, strided"), &moved, &single);
        if matches!(implementation, Implementation::Naive | Implementation::Auto) {
            check_subsets(&what, implementation, inputs, &single, &f);
        }
        if implementation != Implementation::Composed {
            for threads in [1, 2, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let other = pool.install(|| {
                    outcome(implementation, DType::F32, Memory::Contiguous, inputs, &f)
                });
                assert_same_bits(&format!("{what}, {threads} threads"), &other, &single);
            }
        }
    }
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
/// of each input.
///
/// The step of 1e-5 leaves a truncation error near 1e-10 and a rounding error near 1e-10, times
/// the size of the sum: 1e-6 of the largest gradient is ample.
pub(crate) fn check_gradients(
    what: &str,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    const STEP: f64 = 1e-5;
    for implementation in IMPLEMENTATIONS {
        let analytic = outcome(implementation, DType::F64, Memory::Contiguous, inputs, &f);
        let weights = numbers(&normal(99, analytic.value.dims()));
        let sum = |inputs: &[Tensor]| -> f64 {
            let value = with_implementation(implementation, || f(inputs)).unwrap();
            numbers(&value).iter().zip(&weights).map(|(v, w)| v * w).sum()
        };
        for (which, input) in inputs.iter().enumerate() {
            let (original, found) = (numbers(input), numbers(&analytic.gradients[which]));
            let scale = found.iter().fold(1f64, |m, v| m.max(v.abs()));
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
                    (numeric - found[i]).abs() <= 1e-6 * scale,
                    "{what}, {implementation:?}, input {which}, element {i}: {} for {numeric}",
                    found[i]
                );
            }
        }
    }
}

/// The message of an error, on every implementation.
pub(crate) fn assert_error(f: impl Fn() -> Result<Tensor>, parts: &[&str]) {
    for implementation in IMPLEMENTATIONS {
        let message = with_implementation(implementation, &f).map(|_| ()).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{implementation:?}: {message:?} lacks {part:?}");
        }
    }
}
