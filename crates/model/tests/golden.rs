//! Layers, losses and nets against PyTorch: values and gradients from `tests/golden/layers.py`.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, ModuleT, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use taper_kernels::{Implementation, with_implementation};
use taper_model::layers::{
    Attention, AvgPool2d, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Gelu, GlobalAvgPool2d,
    LayerNorm, LayerNormConfig, LayerScale, Linear, LinearConfig, MaxPool2d, MlpBlock, PatchEmbed,
    Relu, Residual, Sequential, Softmax, TokenEmbed, ZeroPadShortcut,
};
use taper_model::loss::CrossEntropy;
use taper_model::nets;
use taper_model::rng::RngKey;

/// Every way in which an operation may run here, with tolerances (rtol, atol).
///
/// f64 differs from PyTorch by the order of sums alone. f32 has 6e-8 a rounding, and sums of up to
/// some hundred terms of either sign; batch-norm divides by small deviations.
const WAYS: [(DType, Implementation, f64, f64); 4] = [
    (DType::F64, Implementation::Auto, 1e-10, 1e-12),
    (DType::F64, Implementation::Naive, 1e-10, 1e-12),
    (DType::F64, Implementation::Composed, 1e-10, 1e-12),
    (DType::F32, Implementation::Auto, 1e-5, 1e-5),
];

fn fixture() -> HashMap<String, Tensor> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/layers.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu)
        .expect("the fixture is part of the repository")
}

/// The script's `values`, to the bit.
fn values_of(shape: &[usize], seed: u64, scale: f64, levels: u64) -> Tensor {
    let len: usize = shape.iter().product();
    let value = |i: u64| ((i * 7919 + seed * 104_729) % levels) as f64 / levels as f64 * 2.0 - 1.0;
    let values: Vec<f64> = (0..len as u64).map(|i| value(i) * scale).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(shape: &[usize], seed: u64, scale: f64) -> Tensor {
    values_of(shape, seed, scale, 2003)
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// One case in one way: what it names in a failure, and how near it must come.
struct Case<'a> {
    name: &'a str,
    fixture: &'a HashMap<String, Tensor>,
    dtype: DType,
    path: Implementation,
    rtol: f64,
    atol: f64,
}

impl Case<'_> {
    fn each(name: &str, fixture: &HashMap<String, Tensor>, check: impl Fn(&Case<'_>)) {
        for (dtype, path, rtol, atol) in WAYS {
            let case = Case { name, fixture, dtype, path, rtol, atol };
            with_implementation(path, || check(&case));
        }
    }

    fn compare(&self, what: &str, found: &Tensor) {
        let key = format!("{}/{what}", self.name);
        let expected =
            self.fixture.get(&key).unwrap_or_else(|| panic!("no `{key}` in the fixture"));
        assert_eq!(found.dims(), expected.dims(), "{key}");
        for (index, (found, expected)) in flat(found).into_iter().zip(flat(expected)).enumerate() {
            let close = (found - expected).abs() <= self.atol + self.rtol * expected.abs();
            assert!(
                close,
                "{key}[{index}] {:?} {:?}: {found}, expected {expected}",
                self.dtype, self.path
            );
        }
    }

    fn input(&self, shape: &[usize], scale: f64, levels: u64) -> Var {
        Var::from_tensor(&values_of(shape, 1, scale, levels).to_dtype(self.dtype).unwrap()).unwrap()
    }

    fn builder(&self) -> (VarMap, VarBuilder<'static>) {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, self.dtype, &Device::Cpu);
        (map, vb)
    }

    /// Compares the output and the gradients of the script's projection.
    fn compare_all(&self, output: &Tensor, input: &Var, params: &BTreeMap<String, Var>) {
        self.compare("output", output);
        let weights = values(output.dims(), 99, 1.0).to_dtype(self.dtype).unwrap();
        let gradients = (output * weights).unwrap().sum_all().unwrap().backward().unwrap();
        self.compare("grad/input", gradients.get(input).expect("a gradient for the input"));
        for (name, var) in params {
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
            self.compare(&format!("grad/{name}"), gradient);
        }
        let expected =
            self.fixture.keys().filter(|key| key.starts_with(&format!("{}/grad/", self.name)));
        assert_eq!(expected.count(), 1 + params.len(), "{}: parameters", self.name);
    }
}

/// All variables but the buffers, by name, after setting them as the script's `fill` does.
fn fill(map: &VarMap, scale: impl Fn(&Var) -> f64) -> BTreeMap<String, Var> {
    let data = map.data().lock().unwrap();
    let params: BTreeMap<String, Var> = data
        .iter()
        .filter(|(name, _)| !name.contains("running_"))
        .map(|(name, var)| (name.clone(), var.clone()))
        .collect();
    for (seed, var) in (11..).zip(params.values()) {
        var.set(&values(var.dims(), seed, scale(var)).to_dtype(var.dtype()).unwrap()).unwrap();
    }
    params
}

/// Checks a layer whose training and evaluation are the same, or that runs in training.
fn check<M: ModuleT>(
    name: &str,
    shape: &[usize],
    build: impl Fn(VarBuilder<'static>) -> Result<M>,
) {
    check_with(name, shape, 2.0, 2003, build);
}

fn check_with<M: ModuleT>(
    name: &str,
    shape: &[usize],
    scale: f64,
    levels: u64,
    build: impl Fn(VarBuilder<'static>) -> Result<M>,
) {
    Case::each(name, &fixture(), |case| {
        let (map, vb) = case.builder();
        let layer = build(vb).unwrap();
        let params = fill(&map, |_| 0.5);
        let x = case.input(shape, scale, levels);
        case.compare_all(&layer.forward_t(&x, true).unwrap(), &x, &params);
    });
}

#[test]
fn convolutions_are_pytorch_s() {
    let conv = |input, output, kernel, config: Conv2dConfig| {
        move |vb: VarBuilder<'static>| Conv2d::new(input, output, kernel, config, vb)
    };
    let plain = Conv2dConfig::default;
    check("conv2d", &[2, 3, 5, 5], conv(3, 4, (3, 3), plain()));
    let config = Conv2dConfig { stride: (2, 1), padding: (1, 2), ..plain() };
    check("conv2d_stride_padding", &[2, 3, 6, 5], conv(3, 2, (3, 2), config));
    let config = Conv2dConfig { padding: (1, 1), dilation: (2, 2), bias: false, ..plain() };
    check("conv2d_dilation", &[1, 2, 7, 6], conv(2, 3, (3, 3), config));
    let config = Conv2dConfig { padding: (1, 1), groups: 2, ..plain() };
    check("conv2d_groups", &[2, 4, 4, 4], conv(4, 6, (3, 3), config));
    let config = Conv2dConfig { stride: (2, 2), padding: (1, 1), groups: 4, ..plain() };
    check("conv2d_depthwise", &[1, 4, 5, 6], conv(4, 4, (3, 3), config));
}

#[test]
fn dense_layers_are_pytorch_s() {
    check("linear", &[3, 5], |vb| Linear::new(5, 4, LinearConfig::default(), vb));
    let config = LinearConfig { bias: false, ..Default::default() };
    check("linear_no_bias", &[2, 3, 5], |vb| Linear::new(5, 3, config, vb));
}

#[test]
fn max_pools_are_pytorch_s_in_ties_and_overlaps_too() {
    let overlap = MaxPool2d { stride: (2, 2), padding: (1, 1), ..MaxPool2d::new(3) };
    let dense = MaxPool2d { stride: (1, 1), ..overlap };
    let rectangle = MaxPool2d { kernel: (3, 2), stride: (1, 2), padding: (1, 0) };
    check("max_pool2d", &[2, 2, 4, 4], |_| Ok(MaxPool2d::new(2)));
    check_with("max_pool2d_ties", &[2, 2, 4, 6], 2.0, 3, |_| Ok(MaxPool2d::new(2)));
    check("max_pool2d_odd", &[1, 2, 5, 7], |_| Ok(MaxPool2d::new(2)));
    check("max_pool2d_overlap", &[2, 2, 7, 6], |_| Ok(overlap));
    check_with("max_pool2d_overlap_ties", &[1, 2, 5, 5], 2.0, 3, |_| Ok(dense));
    check("max_pool2d_rectangle", &[1, 2, 6, 5], |_| Ok(rectangle));
}

#[test]
fn average_pools_are_pytorch_s() {
    let padded = AvgPool2d { stride: (2, 2), padding: (1, 1), ..AvgPool2d::new(3) };
    check("avg_pool2d", &[1, 2, 5, 4], |_| Ok(AvgPool2d::new(2)));
    check("avg_pool2d_padding", &[1, 2, 7, 6], |_| Ok(padded));
    check("global_avg_pool2d", &[2, 3, 3, 4], |_| Ok(GlobalAvgPool2d));
}

#[test]
fn activations_are_pytorch_s() {
    check("relu", &[3, 7], |_| Ok(Relu));
    check_with("gelu", &[3, 7], 4.0, 2003, |_| Ok(Gelu::Exact));
    check_with("gelu_tanh", &[3, 7], 4.0, 2003, |_| Ok(Gelu::Tanh));
    check_with("softmax", &[3, 7], 4.0, 2003, |_| Ok(Softmax));
}

#[test]
fn layer_norm_is_pytorch_s() {
    check("layer_norm", &[2, 3, 6], |vb| LayerNorm::new(6, LayerNormConfig::default(), vb));
}

#[test]
fn batch_norm_is_pytorch_s_in_training_and_evaluation_and_when_frozen() {
    let other = BatchNormConfig { eps: 1e-3, momentum: 0.3, ..Default::default() };
    let cases = [
        ("batch_norm2d", &[3, 3, 2, 2][..], BatchNormConfig::default()),
        ("batch_norm1d", &[5, 4], other),
    ];
    let fixture = fixture();
    for (name, shape, config) in cases {
        let (train, eval) = (format!("{name}_train"), format!("{name}_eval"));
        Case::each(&train, &fixture, |case| {
            let (map, vb) = case.builder();
            let mut norm = BatchNorm::new(shape[1], config, vb).unwrap();
            let params = fill(&map, |_| 0.5);
            let first = (values(shape, 2, 3.0) + 0.5).unwrap().to_dtype(case.dtype).unwrap();
            norm.forward_t(&first, true).unwrap();
            let x = case.input(shape, 2.0, 2003);
            case.compare_all(&norm.forward_t(&x, true).unwrap(), &x, &params);
            case.compare("running_mean", &norm.running_mean);
            case.compare("running_var", &norm.running_var);

            let case = Case { name: &eval, ..*case };
            case.compare_all(&norm.forward_t(&x, false).unwrap(), &x, &params);
            // A frozen one trains as it evaluates.
            norm.frozen = true;
            case.compare_all(&norm.forward_t(&x, true).unwrap(), &x, &params);
        });
    }
}

#[test]
fn a_residual_block_is_pytorch_s() {
    check("residual", &[2, 2, 5, 5], |vb| {
        let plain = Conv2dConfig { padding: (1, 1), bias: false, ..Default::default() };
        let halving = Conv2dConfig { stride: (2, 2), ..plain };
        let main = Sequential::new()
            .add(Conv2d::new(2, 3, (3, 3), halving, vb.pp("conv1"))?)
            .add(BatchNorm::new(3, BatchNormConfig::default(), vb.pp("bn1"))?)
            .add(Relu)
            .add(Conv2d::new(3, 3, (3, 3), plain, vb.pp("conv2"))?)
            .add(BatchNorm::new(3, BatchNormConfig::default(), vb.pp("bn2"))?);
        let down = Conv2dConfig { stride: (2, 2), ..Default::default() };
        let down = Conv2d::new(2, 3, (1, 1), down, vb.pp("down"))?;
        Ok(Sequential::new().add(Residual::with_shortcut(main, down)).add(Relu))
    });
}

#[test]
fn a_transformer_s_layers_are_timm_s() {
    let dense = LinearConfig::default;
    check("attention", &[2, 3, 6], |vb| Attention::new(6, 2, dense(), vb));
    check("mlp_block", &[2, 2, 3], |vb| MlpBlock::new(3, 5, dense(), vb));
    check("patch_embed", &[2, 2, 5, 4], |vb| PatchEmbed::new(2, 2, 3, vb));
    check("token_embed", &[2, 3, 4], |vb| TokenEmbed::new(3, 4, vb));
    check("layer_scale", &[2, 2, 3], |vb| LayerScale::new(3, 1.0, vb));
}

#[test]
fn a_shortcut_without_parameters_is_pytorch_s() {
    check("subsample", &[2, 2, 3, 6], |_| Ok(ZeroPadShortcut { stride: 2, channels: 5 }));
}

#[test]
fn cross_entropy_is_pytorch_s() {
    let fixture = fixture();
    let labels = Tensor::new(&[3u32, 0, 4, 3], &Device::Cpu).unwrap();
    let soft = values(&[4, 5], 7, 1.0).abs().unwrap();
    let soft = soft.broadcast_div(&soft.sum_keepdim(1).unwrap()).unwrap();
    for target in ["ids", "soft"] {
        for (smoothing_name, label_smoothing) in [("", 0.0), ("_smoothing", 0.1)] {
            for (weights_name, class_weights) in
                [("", None), ("_weights", Some(vec![0.5, 1.0, 2.0, 0.25, 1.5]))]
            {
                let loss = CrossEntropy { label_smoothing, class_weights };
                let name = format!("cross_entropy_{target}{smoothing_name}{weights_name}");
                Case::each(&name, &fixture, |case| {
                    let logits = case.input(&[4, 5], 3.0, 2003);
                    let value = match target {
                        "ids" => loss.class_ids(&logits, &labels).unwrap(),
                        _ => loss.targets(&logits, &soft).unwrap(),
                    };
                    case.compare("output", &value);
                    let gradients = value.backward().unwrap();
                    case.compare(
                        "grad/input",
                        gradients.get(&logits).expect("a gradient for the logits"),
                    );
                });
            }
        }
    }
}

/// Logits, loss, and each parameter's gradient by its norm and its projection on `values`.
fn check_net(name: &str) {
    let info = nets::find(name).unwrap();
    let labels = Tensor::new(&[7u32, 2, 1], &Device::Cpu).unwrap();
    Case::each(name, &fixture(), |case| {
        let (map, vb) = case.builder();
        let net = (info.build)(&info.config(), vb.into(), &RngKey::new(0)).unwrap();
        let params = fill(&map, |var| match var.dims() {
            [_] => 0.5,
            dims => (3.0 / dims[1..].iter().product::<usize>() as f64).sqrt(),
        });
        let images = ((values(&[3, 1, 28, 28], 1, 1.0) + 1.0).unwrap() / 2.0).unwrap();
        let logits = net.forward_t(&images.to_dtype(case.dtype).unwrap(), false).unwrap();
        case.compare("output", &logits);
        let loss = CrossEntropy::default().class_ids(&logits, &labels).unwrap();
        case.compare("loss", &loss);
        let gradients = loss.backward().unwrap();
        for (name, var) in &params {
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("no gradient for {name}"));
            let gradient = gradient.to_dtype(DType::F64).unwrap();
            let norm = gradient.sqr().unwrap().sum_all().unwrap().sqrt().unwrap();
            let projection = (&gradient * values(var.dims(), 99, 1.0)).unwrap().sum_all().unwrap();
            // The projection's terms cancel: what remains is as exact as the norm, not as itself.
            let atol = case.rtol * 10.0 * norm.to_scalar::<f64>().unwrap();
            let case = Case { atol, ..*case };
            case.compare(&format!("grad/{name}"), &Tensor::stack(&[norm, projection], 0).unwrap());
        }
    });
}

#[test]
fn keras_cnn_is_pytorch_s() {
    check_net("keras-cnn");
}

#[test]
fn lenet5_is_pytorch_s() {
    check_net("lenet5");
}

#[test]
fn mlp_is_pytorch_s() {
    check_net("mlp");
}
