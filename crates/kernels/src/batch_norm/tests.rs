use super::statistics::Dims;
use super::vector::{IMAGES_PER_SUM, LARGE_PLANE, NUMBERS_PER_ROW};
use super::{batch_norm_eval, batch_norm_train};
use crate::check::{
    assert_close, assert_error, check_gradients, check_scaled, normal, normalized_scale,
};
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Result, Tensor};

const EPS: f64 = 1e-5;
const SHAPES: [&[usize]; 11] = [
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
        let f = |t: &[Tensor]| Ok(batch_norm_train(&t[0], &t[1], &t[2], EPS)?.output);
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
            batch_norm_eval(&t[0], &t[1], &t[2], &mean, &variance, 0.1)
        };
        let statistics = Some([&mean, &variance]);
        check_scaled(&format!("{shape:?}"), 2e-6, &inputs, f, |t| scale(t, statistics, 0.1));
        check_gradients(&format!("{shape:?}"), &inputs, f);
    }
}

#[test]
fn the_statistics_are_mean_and_biased_variance_and_are_not_tracked() {
    let x = Tensor::new(&[[1f64, 10.], [3., 30.]], &Device::Cpu).unwrap();
    let x = candle_core::Var::from_tensor(&x).unwrap();
    let one = Tensor::ones(2, DType::F64, &Device::Cpu).unwrap();
    for implementation in [Implementation::Naive, Implementation::Auto, Implementation::Composed] {
        let norm =
            with_implementation(implementation, || batch_norm_train(&x, &one, &one, EPS)).unwrap();
        assert_eq!(norm.mean.to_vec1::<f64>().unwrap(), [2., 20.]);
        assert_eq!(norm.variance.to_vec1::<f64>().unwrap(), [1., 100.]);
        assert!(!norm.mean.track_op() && !norm.variance.track_op());
        let again = with_implementation(implementation, || {
            batch_norm_eval(&x, &one, &one, &norm.mean, &norm.variance, EPS)
        });
        assert_close("eval", &again.unwrap(), &norm.output, 1e-12);
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let train = |x: &[usize], c: usize| -> Result<Tensor> {
        Ok(batch_norm_train(&zeros(x), &zeros(&[c]), &zeros(&[c]), EPS)?.output)
    };
    assert_error(|| train(&[3], 3), &["batch_norm_train", "rank 2 to 4", "[3]"]);
    assert_error(|| train(&[1, 2, 3, 4, 5], 2), &["rank 2 to 4"]);
    assert_error(|| train(&[2, 3, 4], 4), &["gamma of shape [3]", "[4]"]);
    assert_error(|| train(&[0, 3], 3), &["elements to normalize"]);
    let (x, three, four) = (zeros(&[2, 3]), zeros(&[3]), zeros(&[4]));
    let eval = || batch_norm_eval(&x, &three, &three, &four, &three, EPS);
    assert_error(eval, &["batch_norm_eval", "mean of shape [3]"]);
}
