//! The checks find what they are for.

use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout, ModuleT, Result, Shape, Tensor, Var,
};

use super::*;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::Linear;
use crate::rng::RngKey;

fn var(values: &[f64]) -> Var {
    Var::from_slice(values, values.len(), &Device::Cpu).unwrap()
}

fn message<T>(result: std::result::Result<T, CheckError>) -> String {
    result.err().expect("it should be found wrong").to_string()
}

/// x squared, whose gradient is wrong by a factor in element 1 alone.
struct WrongSquare;

impl CustomOp1 for WrongSquare {
    fn name(&self) -> &'static str {
        "wrong-square"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let values: Vec<f64> = storage.as_slice::<f64>()?.iter().map(|x| x * x).collect();
        Ok((CpuStorage::F64(values), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut factors = vec![2.0; x.elem_count()];
        factors[1] = 2.001;
        Ok(Some((gradient * (x * Tensor::from_vec(factors, x.shape(), x.device())?)?)?))
    }
}

#[test]
fn the_worst_element_is_named() {
    let (x, y) = (var(&[0.5, 1.5, -1.0, 2.0]), var(&[1.0; 4]));
    let variables = [("y".to_owned(), y.clone()), ("x".to_owned(), x.clone())];
    let forward = || x.reshape((2, 2))?.apply_op1(WrongSquare)? + y.reshape((2, 2))?.exp()?;
    let Err(CheckError::Gradient(worst)) = gradcheck(forward, &variables, &Default::default())
    else {
        panic!("a wrong gradient was not found");
    };
    assert_eq!((worst.name.as_str(), worst.index.as_slice()), ("x", &[1][..]));
    assert!((worst.analytic / worst.numeric - 1.0005).abs() < 1e-6, "{worst}");
    // The variables are as they were.
    assert_eq!(x.to_vec1::<f64>().unwrap(), [0.5, 1.5, -1.0, 2.0]);
}

#[test]
fn a_right_gradient_passes_with_room_to_spare() {
    let x = var(&[0.3, -2.0, 1.0]);
    let check =
        gradcheck(|| x.tanh()?.exp(), &[("x".into(), x.clone())], &Default::default()).unwrap();
    assert_eq!(check.elements, 3);
    assert!(check.worst.unwrap().ratio < 0.1);
}

#[test]
fn a_gradient_that_is_not_a_number_is_wrong() {
    let x = var(&[0.0]);
    // The square root's gradient at 0 is infinite, times 0 is not a number.
    let forward = || (x.sqr()?.sqrt()? * 0.5)?.sqr();
    assert!(gradcheck(forward, &[("x".into(), x.clone())], &Default::default()).is_err());
}

#[test]
fn f32_is_refused() {
    let x = Var::zeros(2, DType::F32, &Device::Cpu).unwrap();
    let result = gradcheck(|| x.sqr(), &[("x".into(), x.clone())], &Default::default());
    assert_eq!(message(result), "`x` is F32: gradients are checked in f64 alone");
}

#[test]
fn candle_softmax_which_stops_the_gradient_is_found() {
    let result = check_layer(|_, _| Ok(candle_nn::ops::softmax_last_dim), &[2, 4], &[2, 4]);
    assert!(message(result).contains("the tape never reached `input`"));
}

#[test]
fn candle_max_pool_whose_gradient_is_wrong_is_found() {
    let result = check_layer(|_, _| Ok(|x: &Tensor| x.max_pool2d(2)), &[1, 1, 4, 4], &[1, 1, 2, 2]);
    assert!(message(result).starts_with("wrong gradient in evaluation: `input`"));
}

/// A layer whose forward pass is a function of (itself, x, train).
struct Odd<F> {
    weight: Tensor,
    forward: F,
}

impl<F: Fn(&Tensor, &Tensor, bool) -> Result<Tensor>> Odd<F> {
    fn new(vb: &ParamBuilder<'_>, forward: F) -> Result<Self> {
        Ok(Self { weight: vb.get(3, "weight", Initializer::Ones)?, forward })
    }
}

impl<F: Fn(&Tensor, &Tensor, bool) -> Result<Tensor>> ModuleT for Odd<F> {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        (self.forward)(&self.weight, x, train)
    }
}

/// What is found wrong in a layer that runs `forward`.
fn found(forward: impl Fn(&Tensor, &Tensor, bool) -> Result<Tensor> + Clone) -> String {
    message(check_layer(|vb, _| Odd::new(&vb, forward.clone()), &[2, 3], &[2, 3]))
}

#[test]
fn another_shape_is_found() {
    let result = check_layer(|vb, _| Linear::new(3, 4, Default::default(), vb), &[2, 3], &[2, 5]);
    assert_eq!(message(result), "the output in training has shape [2, 4], expected [2, 5]");
}

#[test]
fn a_parameter_that_is_detached_is_found() {
    let message = found(|weight, x, _| x.broadcast_mul(&weight.detach()));
    assert!(message.starts_with("wrong gradient in evaluation: `layer.weight`["), "{message}");
}

#[test]
fn a_gradient_wrong_in_training_alone_is_found() {
    let message = found(|weight, x, train| {
        x.broadcast_mul(&if train { weight.detach() } else { weight.clone() })
    });
    assert!(message.starts_with("wrong gradient in training: `layer.weight`["), "{message}");
}

#[test]
fn an_output_that_is_not_finite_is_found() {
    let message = found(|weight, x, _| x.broadcast_mul(weight)?.abs()?.neg()?.sqrt());
    assert_eq!(message, "the output in training has an element that is not finite");
}

#[test]
fn a_type_written_into_the_layer_is_found() {
    let message = found(|weight, x, _| x.broadcast_mul(weight)?.to_dtype(DType::F32));
    assert_eq!(message, "the output of an input of F64 is F32");
}

#[test]
fn an_evaluation_that_changes_by_the_call_is_found() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // Too little a change for the differences to see, but another result.
    let message = found(|weight, x, train| {
        let change = if train { 0.0 } else { 1e-14 * CALLS.fetch_add(1, Ordering::Relaxed) as f64 };
        x.broadcast_mul(weight)?.affine(1.0, change)
    });
    assert!(message.starts_with("two runs in evaluation differ"), "{message}");
}

#[test]
fn randomness_from_elsewhere_is_found() {
    static BUILT: AtomicU64 = AtomicU64::new(0);
    let result = check_layer(
        |vb, _| {
            let number = BUILT.fetch_add(1, Ordering::Relaxed) as f64;
            Odd::new(&vb, move |weight: &Tensor, x: &Tensor, train| {
                x.broadcast_mul(weight)?.affine(1.0, if train { number } else { 0.0 })
            })
        },
        &[2, 3],
        &[2, 3],
    );
    assert!(message(result).starts_with("two runs in training with the same seed and step differ"));
}

#[test]
fn state_that_is_no_parameter_is_found() {
    let result = check_layer(
        |vb, key: &RngKey| {
            let shift = key.seed() as f64;
            Odd::new(&vb, move |weight: &Tensor, x: &Tensor, _| {
                x.broadcast_mul(weight)?.affine(1.0, shift)
            })
        },
        &[2, 3],
        &[2, 3],
    );
    assert!(
        message(result).starts_with("the output in evaluation is another after saving and loading")
    );
}

#[test]
fn parameters_outside_the_prefix_are_found() {
    let result = check_layer(
        |vb, _| Linear::new(3, 3, Default::default(), vb.root().pp("fc")),
        &[2, 3],
        &[2, 3],
    );
    assert_eq!(
        message(result),
        "the parameter `fc.bias` lies outside the layer's prefix `layer`; ask the builder that was handed in"
    );
}

#[test]
fn names_that_change_when_built_again_are_found() {
    static BUILT: AtomicU64 = AtomicU64::new(0);
    let result = check_layer(
        |vb, _| Linear::new(3, 3, Default::default(), vb.pp(BUILT.fetch_add(1, Ordering::Relaxed))),
        &[2, 3],
        &[2, 3],
    );
    // The file has the first names: loading says what is missing and what is left over.
    assert!(message(result).contains("layer.1.weight"));
}

#[test]
fn the_report_counts_every_element_in_both_modes() {
    let check =
        check_layer(|vb, _| Linear::new(3, 2, Default::default(), vb), &[4, 3], &[4, 2]).unwrap();
    assert_eq!(check.evaluation.elements, 12 + 6 + 2);
    assert_eq!(check.training.elements, 20);
}

/// A layer as a function.
type Forward = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

#[test]
fn candle_layer_norm_which_refuses_f64_and_stops_the_gradient_gets_a_verdict() {
    let norms: [fn(ParamBuilder<'static>) -> Result<Forward>; 2] = [
        |vb| {
            let norm = candle_nn::layer_norm(4, 1e-5, vb.candle())?;
            Ok(Box::new(move |x: &Tensor| candle_core::Module::forward(&norm, x)))
        },
        |vb| {
            let norm = candle_nn::rms_norm(4, 1e-5, vb.candle())?;
            Ok(Box::new(move |x: &Tensor| candle_core::Module::forward(&norm, x)))
        },
    ];
    for norm in norms {
        let message = message(check_layer(
            |vb, _| {
                let norm = norm(vb)?;
                Ok(move |x: &Tensor| norm(x))
            },
            &[3, 4],
            &[3, 4],
        ));
        assert!(message.starts_with("wrong gradient in evaluation: "), "{message}");
        assert!(message.contains("the tape never reached `"), "{message}");
        assert!(message.contains("LayerNorm and Softmax of `taper_model::layers`"), "{message}");
    }
}

#[test]
fn a_layer_that_refuses_f64_is_checked_in_f32_and_that_is_said() {
    let single = |x: &Tensor| match x.dtype() {
        DType::F32 => x.sqr()?.tanh(),
        found => candle_core::bail!("unsupported dtype {found:?}"),
    };
    let check = check_layer(|_, _| Ok(single), &[2, 3], &[2, 3]).unwrap();
    assert_eq!(check.dtype, DType::F32);
    let wrong = |x: &Tensor| single(&(x + x.detach())?);
    let message = message(check_layer(|_, _| Ok(wrong), &[2, 3], &[2, 3]));
    assert!(message.starts_with("wrong gradient in evaluation: `input`"), "{message}");
}

#[test]
fn a_gradient_wrong_in_f32_alone_is_found() {
    let message = found(|weight, x, _| match x.dtype() {
        DType::F32 => {
            // The same value, half of the gradient.
            let y = x.broadcast_mul(weight)?;
            (&y * 0.5)? + (y.detach() * 0.5)?
        }
        _ => x.broadcast_mul(weight),
    });
    assert!(
        message.starts_with("in evaluation the gradient of `input` in f32 differs"),
        "{message}"
    );
}

#[test]
fn a_gradient_missing_or_not_a_number_in_f32_alone_is_found() {
    let missing = found(|weight, x, _| match x.dtype() {
        DType::F32 => x.detach().broadcast_mul(weight),
        _ => x.broadcast_mul(weight),
    });
    let nan = found(|weight, x, _| match x.dtype() {
        // The value of x * weight; the root's gradient at 0 times 0 is no number.
        DType::F32 => x.broadcast_mul(weight)? + (x - x.detach())?.sqr()?.sqrt()?,
        _ => x.broadcast_mul(weight),
    });
    for message in [missing, nan] {
        assert!(
            message.starts_with("in evaluation the gradient of `input` in f32 differs"),
            "{message}"
        );
    }
}

#[test]
fn some_elements_do_for_a_large_layer() {
    let sample = LayerCheckConfig { sample: 5 };
    let build = |vb, _: &RngKey| Linear::new(40, 30, Default::default(), vb);
    let check = check_layer_with(build, &[20, 40], &[20, 30], &sample).unwrap();
    assert_eq!(check.evaluation.elements, 15);
}

#[test]
fn what_a_net_s_data_says_and_does_not_hold_is_told() {
    use crate::layers::{Flatten, LinearConfig, Sequential};
    use crate::nets::{Net, NetInfo};
    use crate::weights::KeyMap;

    let net = |classes: usize| {
        NetInfo::new("logistic", move |config, vb, _| {
            let inputs = config.channels * config.height * config.width;
            let classes = if classes == 0 { config.num_classes } else { classes };
            let linear = Linear::new(inputs, classes, LinearConfig::default(), vb.pp("linear"))?;
            Ok(Net { body: Sequential::new().add(Flatten), head: Sequential::new().add(linear) })
        })
    };
    let stages = |patterns: &[&str]| patterns.iter().map(|p| vec![p.to_string()]).collect();
    let right = NetInfo {
        default_input: (1, 2, 2),
        num_classes: 3,
        stem: "linear",
        head: "linear",
        stages: stages(&["linear.*"]),
        key_maps: vec![("theirs", KeyMap::new([("fc.*", "linear.*")]))],
        ..net(0)
    };
    assert_eq!(check_net(&right).unwrap().parameters, ["linear.bias", "linear.weight"]);
    let nowhere = KeyMap::new([("fc.*", "dense.*")]);
    for (info, expected) in [
        (
            NetInfo { build: net(5).build, ..right.clone() },
            "the output in training has shape [2, 5], expected [2, 3]",
        ),
        (
            NetInfo { head: "line", ..right.clone() },
            "net `logistic`: the head is `line`, expected the prefix of a parameter, such as that of `linear.bias`",
        ),
        (
            NetInfo { stages: stages(&["*.weight"]), ..right.clone() },
            "net `logistic`: the parameter `linear.bias` is in 0 stages, expected one",
        ),
        (
            NetInfo { stages: stages(&["linear.*", "fc.*"]), ..right.clone() },
            "net `logistic`: the pattern `fc.*` of a stage matches no parameter",
        ),
        (
            NetInfo { key_maps: vec![("theirs", nowhere)], ..right.clone() },
            "net `logistic`: no rule of the key map `theirs` gives a name that the net has",
        ),
    ] {
        assert_eq!(message(check_net(&info)), expected);
    }
}
