use super::dropout;
use crate::check::{assert_error, check_gradients, check_implementations, normal};
use crate::element::CHUNK;
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Tensor, Var};

const IMPLEMENTATIONS: [Implementation; 3] =
    [Implementation::Naive, Implementation::Auto, Implementation::Composed];

#[test]
fn all_implementations_draw_the_same_mask() {
    // The last in three tasks, of which the last ends within a block of four words.
    for shape in [&[1][..], &[3, 5], &[2, 3, 4, 5], &[2 * CHUNK + 37]] {
        let inputs = [normal(1, shape)];
        for rate in [0., 0.25, 0.5, 1.] {
            let f = |t: &[Tensor]| dropout(&t[0], rate, 77);
            check_implementations(&format!("{shape:?} {rate}"), 1e-6, &inputs, f);
            check_gradients(&format!("{shape:?} {rate}"), &inputs, f);
        }
    }
}

fn ones(n: usize) -> Tensor {
    Tensor::ones(n, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn the_backward_pass_uses_the_mask_of_the_forward_pass() {
    for implementation in IMPLEMENTATIONS {
        with_implementation(implementation, || {
            let x = Var::from_tensor(&ones(1001)).unwrap();
            let y = dropout(&x, 0.3, 5).unwrap();
            let store = y.sum_all().unwrap().backward().unwrap();
            let gradient = store.get(&x).unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(gradient, y.to_vec1::<f32>().unwrap());
        });
    }
}

#[test]
fn the_share_that_is_kept_and_the_mean_are_as_promised() {
    let n = 200_000;
    for rate in [0.1, 0.25, 0.5, 0.9] {
        let y = dropout(&ones(n), rate, 3).unwrap().to_vec1::<f32>().unwrap();
        let kept: Vec<f32> = y.into_iter().filter(|&v| v != 0.).collect();
        assert!(kept.iter().all(|&v| v == (1. / (1. - rate)) as f32));
        // Five standard deviations.
        let bound = 5. * (rate * (1. - rate) / n as f64).sqrt();
        assert!((kept.len() as f64 / n as f64 - (1. - rate)).abs() < bound, "{}", kept.len());
    }
}

#[test]
fn the_seed_alone_decides_the_mask() {
    let draw = |seed| dropout(&ones(100), 0.5, seed).unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let reshaped = dropout(&ones(100).reshape((5, 20)).unwrap(), 0.5, 1).unwrap();
    assert_eq!(reshaped.flatten_all().unwrap().to_vec1::<f32>().unwrap(), draw(1));
}

#[test]
fn rate_zero_changes_nothing_and_rate_one_leaves_nothing() {
    let x = normal(1, &[50]);
    let y = dropout(&x, 0., 1).unwrap();
    assert_eq!(y.to_vec1::<f64>().unwrap(), x.to_vec1::<f64>().unwrap());
    assert_eq!(dropout(&x, 1., 1).unwrap().to_vec1::<f64>().unwrap(), [0.; 50]);
}

#[test]
fn a_rate_outside_zero_to_one_is_an_error() {
    for rate in [-0.1, 1.1, f64::NAN] {
        assert_error(|| dropout(&ones(3), rate, 1), &["dropout", "between 0 and 1"]);
    }
}
