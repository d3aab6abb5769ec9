use super::pass::{
    IMAGES_PER_SUM, LARGE_PLANE, NUMBERS_AT_ONCE, NUMBERS_OF_GUESS, NUMBERS_PER_ROW,
};
use super::statistics::Dims;
use super::{BatchNormConfig, batch_norm_eval, batch_norm_train, fold_batch_norm};
use crate::activation::Activation;
use crate::check::{
    assert_close, assert_error, check_gradients, check_scaled, normal, normalized_scale,
};
use crate::conv2d::conv2d;
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Result, Tensor, Var};

const EPS: f64 = 1e-5;

fn config(eps: f64) -> BatchNormConfig {
    BatchNormConfig { eps, activation: None }
}

const SHAPES: [&[usize]; 13] = [
    &[4, 3],
    &[33, 5],
    &[2, 3, 5],
    &[3, 4, 5, 7],
    &[1, 2, 9, 9],
    &[6, 1, 4, 4],
    &[2, 70, 2, 2],
    // More images than are summed at once, more channels than are taken at once.
    &[70, 150, 2, 2],
    // Planes that are large enough for a row of their own.
    &[3, 3, 16, 17],
    // The guess of the mean from some images; an activation in two parts, the last of which ends within a vector.
    &[5, 2, NUMBERS_OF_GUESS / 2 + 3],
    &[3, 2, NUMBERS_AT_ONCE + 5],
    // Several tasks, of small planes and of large ones.
    SPLIT[0],
    SPLIT[1],
];
const SPLIT: [&[usize]; 2] =
    [&[IMAGES_PER_SUM + 1, NUMBERS_PER_ROW + 7], &[IMAGES_PER_SUM + 1, 9, LARGE_PLANE + 9]];

#[test]
fn some_shapes_are_shared_out_among_threads() {
    for shape in SPLIT {
        let dims = Dims::new(shape);
        assert!(dims.groups() > dims.task(), "{shape:?}");
    }
}

/// Channel by channel, with the given statistics or the batch's.
fn scale(t: &[Tensor], given: Option<[&Tensor; 2]>, eps: f64) -> Result<Tensor> {
    let x = &t[0];
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    let inner = x.elem_count() / (n * c);
    let swap =
        |x: &Tensor, a, b| x.reshape((a, b, inner))?.transpose(0, 1)?.reshape((b, a * inner));
    let rows = swap(x, n, c)?;
    let plain = rows.detach();
    let [mean, variance] = match given {
        Some(given) => given.map(|v| v.reshape((c, 1))),
        None => {
            let mean = plain.mean_keepdim(1)?;
            let variance = plain.broadcast_sub(&mean)?.sqr()?.mean_keepdim(1);
            [Ok(mean), variance]
        }
    };
    let weights = [&t[1].reshape((c, 1))?, &t[2].reshape((c, 1))?];
    let statistics = [&mean?, &(variance? + eps)?];
    let y = normalized_scale(&rows, weights, statistics, given.is_none())?;
    swap(&y, c, n)?.reshape(x.shape())
}

fn inputs(x: &[usize], len: usize) -> [Tensor; 3] {
    let shifted = ((normal(1, x) * 2.).unwrap() + 0.5).unwrap();
    [shifted, normal(2, &[len]), normal(3, &[len])]
}

#[test]
fn batch_norm_over_its_batch_agrees() {
    for shape in SHAPES {
        let inputs = inputs(shape, shape[1]);
        let f = |t: &[Tensor]| Ok(batch_norm_train(&t[0], &t[1], &t[2], &config(EPS))?.output);
        check_scaled(&format!("{shape:?}"), 2e-6, &inputs, f, |t| scale(t, None, EPS));
        check_gradients(&format!("{shape:?}"), &inputs, f);
    }
}

#[test]
fn batch_norm_with_given_statistics_agrees() {
    for shape in SHAPES {
        let inputs = inputs(shape, shape[1]);
        let (mean, variance) = (normal(4, &[shape[1]]), normal(5, &[shape[1]]).sqr().unwrap());
        let f = |t: &[Tensor]| {
            let dtype = t[0].dtype();
            let (mean, variance) = (mean.to_dtype(dtype)?, variance.to_dtype(dtype)?);
            batch_norm_eval(&t[0], &t[1], &t[2], &mean, &variance, &config(0.1))
        };
        let statistics = Some([&mean, &variance]);
        check_scaled(&format!("{shape:?}"), 2e-6, &inputs, f, |t| scale(t, statistics, 0.1));
        check_gradients(&format!("{shape:?}"), &inputs, f);
    }
}

#[test]
fn an_activation_behind_it_is_the_activation_of_its_result() {
    for shape in SHAPES {
        let inputs = inputs(shape, shape[1]);
        let (mean, variance) = (normal(4, &[shape[1]]), normal(5, &[shape[1]]).sqr().unwrap());
        for function in
            [Activation::Relu, Activation::Relu6, Activation::Silu, Activation::HardSwish]
        {
            let both = |t: &[Tensor], activation| -> Result<[Tensor; 2]> {
                let config = BatchNormConfig { eps: 0.1, activation };
                let own = batch_norm_train(&t[0], &t[1], &t[2], &config)?.output;
                let dtype = t[0].dtype();
                let (mean, variance) = (mean.to_dtype(dtype)?, variance.to_dtype(dtype)?);
                Ok([own, batch_norm_eval(&t[0], &t[1], &t[2], &mean, &variance, &config)?])
            };
            for which in [0, 1] {
                let fused = |t: &[Tensor]| -> Result<Tensor> {
                    Ok(both(t, Some(function))?[which].clone())
                };
                let apart =
                    |t: &[Tensor]| -> Result<Tensor> { function.apply(&both(t, None)?[which]) };
                check_same(&format!("{shape:?} {function:?} {which}"), &inputs, fused, apart);
            }
        }
    }
}

/// The same values, and the same gradients but for the rounding of their sums, by every implementation.
fn check_same(
    case: &str,
    inputs: &[Tensor; 3],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    g: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    for dtype in [DType::F32, DType::F64] {
        let vars: Vec<Var> = (inputs.iter())
            .map(|x| Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap())
            .collect();
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        for implementation in [
            Implementation::Auto,
            Implementation::Avx2,
            Implementation::Naive,
            Implementation::Composed,
        ] {
            let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
                let y = with_implementation(implementation, || f(&tensors)).unwrap();
                let weights = normal(9, y.dims()).to_dtype(dtype).unwrap();
                let store = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
                let gradients = vars.iter().map(|var| store.get(var).unwrap().clone());
                (y, gradients.collect::<Vec<_>>())
            };
            let ((y, gradients), (expected, others)) = (run(&f), run(&g));
            let case = format!("{case} {dtype:?} {implementation:?}");
            assert_close(&case, &y, &expected, 1e-6);
            for (gradient, other) in gradients.iter().zip(&others) {
                let size = other.abs().unwrap().max_all().unwrap().to_dtype(DType::F64).unwrap();
                let size = size.to_scalar::<f64>().unwrap().max(1.);
                assert_close(&case, gradient, other, 2e-5 * size);
            }
        }
    }
}

#[test]
fn the_first_images_may_be_far_from_the_others() {
    // All of the guess lies 100 standard deviations away.
    let (n, inner) = (40, NUMBERS_OF_GUESS);
    let x = normal(1, &[n, 1, inner]);
    let far = (x.narrow(0, 0, 1).unwrap() + 100.).unwrap();
    let x = Tensor::cat(&[far, x.narrow(0, 1, n - 1).unwrap()], 0).unwrap();
    let one = Tensor::ones(1, DType::F64, &Device::Cpu).unwrap();
    let norm = |x: &Tensor, one: &Tensor| batch_norm_train(x, one, one, &config(EPS)).unwrap();
    let exact = with_implementation(Implementation::Naive, || norm(&x, &one));
    let found = norm(&x.to_dtype(DType::F32).unwrap(), &one.to_dtype(DType::F32).unwrap());
    let to_f64 = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    assert_close("mean", &to_f64(&found.mean), &exact.mean, 1e-5);
    assert_close("variance", &to_f64(&found.variance), &exact.variance, 1e-5 * 244.);
    assert_close("output", &to_f64(&found.output), &exact.output, 1e-4);
}

#[test]
fn a_convolution_with_the_norm_folded_in_is_both() {
    let (x, w) = (normal(1, &[2, 3, 5, 6]), normal(2, &[70, 3, 3, 3]));
    let [bias, gamma, beta, mean] = [3, 4, 5, 6].map(|seed| normal(seed, &[70]));
    let variance = normal(7, &[70]).sqr().unwrap();
    let norm = [&gamma, &beta, &mean, &variance];
    for implementation in [Implementation::Auto, Implementation::Composed] {
        for bias in [None, Some(&bias)] {
            let conv = |w: &Tensor, bias: Option<&Tensor>| {
                with_implementation(implementation, || conv2d(&x, w, bias, &Default::default()))
            };
            let y = conv(&w, bias).unwrap();
            let expected =
                batch_norm_eval(&y, &gamma, &beta, &mean, &variance, &config(0.1)).unwrap();
            let (w, bias) =
                with_implementation(implementation, || fold_batch_norm((&w, bias), norm, 0.1))
                    .unwrap();
            assert_close("folded", &conv(&w, Some(&bias)).unwrap(), &expected, 1e-10);
        }
    }
    let two = Tensor::ones(2, DType::F64, &Device::Cpu).unwrap();
    assert_error(
        || Ok(fold_batch_norm((&w, None), [&gamma, &two, &mean, &variance], 0.1)?.0),
        &["fold_batch_norm", "beta of shape [70]", "[2]"],
    );
}

#[test]
fn the_statistics_are_mean_and_biased_variance_and_are_not_tracked() {
    let x = Tensor::new(&[[1f64, 10.], [3., 30.]], &Device::Cpu).unwrap();
    let x = candle_core::Var::from_tensor(&x).unwrap();
    let one = Tensor::ones(2, DType::F64, &Device::Cpu).unwrap();
    for implementation in [Implementation::Naive, Implementation::Auto, Implementation::Composed] {
        let norm =
            with_implementation(implementation, || batch_norm_train(&x, &one, &one, &config(EPS)))
                .unwrap();
        assert_eq!(norm.mean.to_vec1::<f64>().unwrap(), [2., 20.]);
        assert_eq!(norm.variance.to_vec1::<f64>().unwrap(), [1., 100.]);
        assert!(!norm.mean.track_op() && !norm.variance.track_op());
        let again = with_implementation(implementation, || {
            batch_norm_eval(&x, &one, &one, &norm.mean, &norm.variance, &config(EPS))
        });
        assert_close("eval", &again.unwrap(), &norm.output, 1e-12);
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let train = |x: &[usize], c: usize| -> Result<Tensor> {
        Ok(batch_norm_train(&zeros(x), &zeros(&[c]), &zeros(&[c]), &config(EPS))?.output)
    };
    assert_error(|| train(&[3], 3), &["batch_norm_train", "rank 2 to 4", "[3]"]);
    assert_error(|| train(&[1, 2, 3, 4, 5], 2), &["rank 2 to 4"]);
    assert_error(|| train(&[2, 3, 4], 4), &["gamma of shape [3]", "[4]"]);
    assert_error(|| train(&[0, 3], 3), &["elements to normalize"]);
    let (x, three, four) = (zeros(&[2, 3]), zeros(&[3]), zeros(&[4]));
    let eval = || batch_norm_eval(&x, &three, &three, &four, &three, &config(EPS));
    assert_error(eval, &["batch_norm_eval", "mean of shape [3]"]);
}
