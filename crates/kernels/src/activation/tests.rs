use super::{gelu, gelu_tanh, hard_sigmoid, hard_swish, relu, relu6, sigmoid, silu};
use crate::check::{assert_close, check_gradients, check_scaled, normal};
use crate::element::CHUNK;
use crate::implementation::{Implementation, with_implementation};
use candle_core::{Device, Result, Tensor, Var};

type Activation = fn(&Tensor) -> Result<Tensor>;

const IMPLEMENTATIONS: [Implementation; 3] =
    [Implementation::Naive, Implementation::Auto, Implementation::Composed];

#[test]
fn all_implementations_agree() {
    // The last of them in three tasks, of which the last ends within a vector.
    for shape in [&[1][..], &[3, 7], &[2, 3, 4, 5], &[2 * CHUNK + 13]] {
        let inputs = [(normal(1, shape) * 4.).unwrap()];
        // With the constants that are added to x on the way.
        let functions: [(Activation, f64); 8] = [
            (relu, 0.),
            (gelu, 0.),
            (gelu_tanh, 0.),
            (sigmoid, 1.),
            (silu, 1.),
            (relu6, 6.),
            (hard_sigmoid, 6.),
            (hard_swish, 6.),
        ];
        for (f, constant) in functions {
            // Values are as exact as x, slopes as the gradient: by 3e-7, which is that of the functions in vectors.
            let x = |t: &[Tensor]| &t[0] + constant;
            check_scaled(&format!("{shape:?}"), 1e-6, &inputs, |t| f(&t[0]), x);
            check_gradients(&format!("{shape:?}"), &inputs, |t| f(&t[0]));
        }
    }
}

#[test]
fn known_values_come_out() {
    let x = Tensor::new(&[-2f64, -0.5, 0., 1., 3.], &Device::Cpu).unwrap();
    // x Φ(x), by tables of the normal distribution.
    let exact = [-0.045500263896, -0.154268769363, 0., 0.841344746069, 2.995950305909];
    for implementation in IMPLEMENTATIONS {
        let y = with_implementation(implementation, || gelu(&x)).unwrap();
        assert_close("gelu", &y, &Tensor::new(&exact, &Device::Cpu).unwrap(), 1e-11);
        // The approximation stays within 5e-4 of it.
        let y = with_implementation(implementation, || gelu_tanh(&x)).unwrap();
        assert_close("gelu_tanh", &y, &Tensor::new(&exact, &Device::Cpu).unwrap(), 5e-4);
    }
}

#[test]
fn clamped_functions_end_where_they_should() {
    let x =
        Tensor::new(&[-1e30f32, -4., -3., -1., 0., 1., 3., 6., 7., 1e30, f32::NAN], &Device::Cpu);
    let x = Var::from_tensor(&x.unwrap()).unwrap();
    // (function, values, slopes); PyTorch's, but for the NaN's slope.
    let cases: [(Activation, [f32; 10], [f32; 10]); 3] = [
        (relu6, [0., 0., 0., 0., 0., 1., 3., 6., 6., 6.], [0., 0., 0., 0., 0., 1., 1., 0., 0., 0.]),
        (
            hard_sigmoid,
            [0., 0., 0., 1. / 3., 0.5, 2. / 3., 1., 1., 1., 1.],
            [0., 0., 0., 1. / 6., 1. / 6., 1. / 6., 0., 0., 0., 0.],
        ),
        (
            hard_swish,
            [0., 0., 0., -1. / 3., 0., 2. / 3., 3., 6., 7., 1e30],
            [0., 0., 0., 1. / 6., 0.5, 5. / 6., 1., 1., 1., 1.],
        ),
    ];
    for implementation in [Implementation::Naive, Implementation::Auto] {
        for (function, values, slopes) in &cases {
            with_implementation(implementation, || {
                let y = function(&x).unwrap();
                let store = y.sum_all().unwrap().backward().unwrap();
                let y = y.to_vec1::<f32>().unwrap();
                let slope = store.get(&x).unwrap().to_vec1::<f32>().unwrap();
                for i in 0..10 {
                    assert!((y[i] - values[i]).abs() <= 1e-6 * values[i].abs(), "{i}: {}", y[i]);
                    assert!((slope[i] - slopes[i]).abs() <= 1e-6, "{i}: {}", slope[i]);
                }
                assert!(y[10].is_nan());
            });
        }
    }
}

#[test]
fn relu_has_no_slope_at_zero_and_lets_a_nan_through() {
    for implementation in IMPLEMENTATIONS {
        with_implementation(implementation, || {
            let x = Tensor::new(&[-1f32, 0., 2., f32::NAN], &Device::Cpu).unwrap();
            let x = Var::from_tensor(&x).unwrap();
            let y = relu(&x).unwrap();
            let store = y.sum_all().unwrap().backward().unwrap();
            let y = y.to_vec1::<f32>().unwrap();
            assert_eq!(y[..3], [0., 0., 2.]);
            assert!(y[3].is_nan());
            assert_eq!(store.get(&x).unwrap().to_vec1::<f32>().unwrap()[..3], [0., 0., 1.]);
        });
    }
}
