//! Every layer keeps what a layer promises; what is special about each stands below.

use candle_core::{DType, Device, Module, ModuleT, Tensor};
use candle_nn::{VarBuilder, VarMap};

use super::*;
use crate::builder::ParamBuilder;
use crate::gradcheck::check_layer;
use crate::init::Initializer;
use crate::lora::{Adapters, LoraConfig};
use crate::params::ParamKind;
use crate::rng::RngKey;
use crate::weights::{Weights, WeightsConfig};

/// A builder over fresh variables.
fn vb(dtype: DType) -> (VarMap, VarBuilder<'static>) {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, dtype, &Device::Cpu);
    (map, vb)
}

#[test]
fn conv2d_keeps_the_promises_of_a_layer() {
    let geometries = [
        (Conv2dConfig::default(), [2, 4, 4, 5], [2, 6, 2, 3]),
        (
            Conv2dConfig { stride: (2, 1), padding: (1, 2), ..Default::default() },
            [1, 4, 5, 4],
            [1, 6, 3, 6],
        ),
        (Conv2dConfig { dilation: (2, 2), ..Default::default() }, [1, 4, 6, 5], [1, 6, 2, 1]),
        (
            Conv2dConfig { groups: 2, padding: (1, 1), ..Default::default() },
            [1, 4, 3, 3],
            [1, 6, 3, 3],
        ),
        (Conv2dConfig::keras(), [1, 4, 3, 3], [1, 6, 1, 1]),
    ];
    for (config, input, output) in geometries {
        let check =
            check_layer(|vb, _| Conv2d::new(4, 6, (3, 3), config, vb), &input, &output).unwrap();
        assert_eq!(check.parameters, ["bias", "weight"]);
        assert!(check.buffers.is_empty());
    }
    let config = Conv2dConfig { bias: false, ..Default::default() };
    let check =
        check_layer(|vb, _| Conv2d::new(2, 2, (2, 1), config, vb), &[1, 2, 3, 3], &[1, 2, 2, 3]);
    assert_eq!(check.unwrap().parameters, ["weight"]);
}

#[test]
fn linear_keeps_the_promises_of_a_layer() {
    let check =
        check_layer(|vb, _| Linear::new(5, 3, LinearConfig::default(), vb), &[4, 5], &[4, 3])
            .unwrap();
    assert_eq!(check.parameters, ["bias", "weight"]);
    let config = LinearConfig { bias: false, ..LinearConfig::keras() };
    let check = check_layer(|vb, _| Linear::new(5, 3, config, vb), &[2, 2, 5], &[2, 2, 3]).unwrap();
    assert_eq!(check.parameters, ["weight"]);
}

#[test]
fn pools_keep_the_promises_of_a_layer() {
    let overlap = MaxPool2d { stride: (2, 2), padding: (1, 1), ..MaxPool2d::new(3) };
    let rectangle = MaxPool2d { kernel: (3, 2), stride: (1, 2), padding: (1, 0) };
    for (pool, output) in
        [(MaxPool2d::new(2), [2, 2, 2, 3]), (overlap, [2, 2, 3, 3]), (rectangle, [2, 2, 5, 3])]
    {
        check_layer(|_, _| Ok(pool), &[2, 2, 5, 6], &output).unwrap();
    }
    let average = AvgPool2d { stride: (2, 2), padding: (1, 1), ..AvgPool2d::new(3) };
    for (pool, output) in [(AvgPool2d::new(2), [2, 2, 2, 3]), (average, [2, 2, 3, 3])] {
        check_layer(|_, _| Ok(pool), &[2, 2, 5, 6], &output).unwrap();
    }
    check_layer(|_, _| Ok(GlobalAvgPool2d), &[2, 3, 3, 4], &[2, 3]).unwrap();
}

#[test]
fn norms_keep_the_promises_of_a_layer() {
    for shape in [&[6, 3][..], &[3, 3, 2], &[2, 3, 2, 3]] {
        let check =
            check_layer(|vb, _| BatchNorm::new(3, BatchNormConfig::default(), vb), shape, shape)
                .unwrap();
        assert_eq!(check.parameters, ["bias", "weight"]);
        assert_eq!(check.buffers, ["running_mean", "running_var"]);
    }
    let check = check_layer(
        |vb, _| LayerNorm::new(6, LayerNormConfig::default(), vb),
        &[2, 3, 6],
        &[2, 3, 6],
    );
    assert_eq!(check.unwrap().parameters, ["bias", "weight"]);
    let images = &[2, 3, 2, 3];
    let check =
        check_layer(|vb, _| LayerNorm2d::new(3, LayerNormConfig::default(), vb), images, images);
    assert_eq!(check.unwrap().parameters, ["bias", "weight"]);
    let check = check_layer(|vb, _| GlobalResponseNorm::new(3, vb), images, images);
    assert_eq!(check.unwrap().parameters, ["bias", "weight"]);
    let check = check_layer(|vb, _| LayerScale::over_channels(3, 0.5, vb), images, images);
    assert_eq!(check.unwrap().parameters, ["gamma"]);
}

#[test]
fn the_norm_of_a_plane_of_zeros_has_a_gradient_of_zero() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let norm = GlobalResponseNorm::new(2, vb).unwrap();
    let (params, _) = weights.finish().unwrap();
    params.get("weight").unwrap().var.set(&norm.weight.ones_like().unwrap()).unwrap();
    let x = Tensor::new(&[[[[0f32, 0.0]], [[3.0, 4.0]]]], &Device::Cpu).unwrap();
    let x = candle_core::Var::from_tensor(&x).unwrap();
    let gradients = norm.forward(&x).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    // Norms 0 and 5, mean 2.5: factors 1 + 0 and 1 + 2.
    assert_eq!(gradient[..2], [1.0, 1.0]);
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
}

#[test]
fn layers_without_parameters_keep_the_promises_of_a_layer() {
    check_layer(|_, _| Ok(Relu), &[3, 7], &[3, 7]).unwrap();
    check_layer(|_, _| Ok(Gelu::Exact), &[3, 7], &[3, 7]).unwrap();
    check_layer(|_, _| Ok(Gelu::Tanh), &[3, 7], &[3, 7]).unwrap();
    check_layer(|_, _| Ok(Softmax), &[2, 3, 4], &[2, 3, 4]).unwrap();
    check_layer(|_, _| Ok(Flatten), &[2, 3, 2, 2], &[2, 12]).unwrap();
    for (channels, output) in [(5, [2, 5, 2, 3]), (2, [2, 2, 2, 3])] {
        check_layer(|_, _| Ok(ZeroPadShortcut { stride: 2, channels }), &[2, 2, 3, 6], &output)
            .unwrap();
    }
    let check = check_layer(|vb, key| Dropout::new(0.4, key, vb), &[5, 7], &[5, 7]).unwrap();
    assert!(check.parameters.is_empty());
    let check = check_layer(|vb, _| LearnableAffine::new(vb), &[2, 3, 2], &[2, 3, 2]).unwrap();
    assert_eq!(check.parameters, ["bias", "scale"]);
    let check = check_layer(|vb, key| DropPath::new(0.4, key, vb), &[5, 2, 3], &[5, 2, 3]).unwrap();
    assert!(check.parameters.is_empty());
}

#[test]
fn drop_path_zeroes_whole_images_at_about_its_rate() {
    let (_map, vb) = vb(DType::F32);
    let key = RngKey::new(1);
    let drop = DropPath::new(0.25, &key, vb.pp("drop_path")).unwrap();
    let x = Tensor::ones((10_000, 3), DType::F32, &Device::Cpu).unwrap();
    let first = drop.forward_t(&x, true).unwrap().to_vec2::<f32>().unwrap();
    let zeros = first.iter().filter(|image| image[0] == 0.0).count() as f64;
    // Five standard deviations of a binomial: 5 sqrt(10000 * 0.25 * 0.75) = 217.
    assert!((zeros - 2_500.0).abs() < 217.0, "{zeros}");
    assert!(first.iter().all(|image| image.iter().all(|value| *value == image[0])));
    // Each call draws anew, the same step again the same.
    assert_ne!(drop.forward_t(&x, true).unwrap().to_vec2::<f32>().unwrap(), first);
    key.set_step(1);
    key.set_step(0);
    let error = DropPath::new(1.0, &key, vb.pp("a")).unwrap_err().to_string();
    assert!(error.contains("drop path `a`: the rate must be at least 0 and below 1"), "{error}");
}

/// A ResNet's basic block with a projection.
fn block(vb: ParamBuilder<'_>) -> candle_core::Result<Sequential> {
    let plain = Conv2dConfig { padding: (1, 1), bias: false, ..Default::default() };
    let halving = Conv2dConfig { stride: (2, 2), ..plain };
    let main = Sequential::new()
        .add(Conv2d::new(2, 3, (3, 3), halving, vb.pp("conv1"))?)
        .add(BatchNorm::new(3, BatchNormConfig::default(), vb.pp("bn1"))?)
        .add(Relu)
        .add(Conv2d::new(3, 3, (3, 3), plain, vb.pp("conv2"))?)
        .add(BatchNorm::new(3, BatchNormConfig::default(), vb.pp("bn2"))?);
    let down = Conv2dConfig { stride: (2, 2), ..Default::default() };
    let shortcut = Conv2d::new(2, 3, (1, 1), down, vb.pp("down"))?;
    Ok(Sequential::new().add(Residual::with_shortcut(main, shortcut)).add(Relu))
}

#[test]
fn containers_keep_the_promises_of_a_layer() {
    let check = check_layer(|vb, _| block(vb), &[2, 2, 4, 3], &[2, 3, 2, 2]).unwrap();
    assert_eq!(check.parameters.len(), 8);
    assert_eq!(check.buffers.len(), 4);
    check_layer(|_, _| Ok(Residual::new(Relu)), &[2, 3], &[2, 3]).unwrap();
    check_layer(|_, _| Ok(Sequential::new()), &[2, 3], &[2, 3]).unwrap();
    check_layer(
        |vb, key| {
            Ok(Sequential::new()
                .add(Linear::new(4, 6, LinearConfig::default(), vb.pp(0))?)
                .add(Dropout::new(0.5, key, vb.pp(1))?)
                .add(|x: &Tensor| x.sqr()))
        },
        &[3, 4],
        &[3, 6],
    )
    .unwrap();
}

#[test]
fn a_convolution_whose_groups_do_not_divide_is_an_error() {
    let (_map, vb) = vb(DType::F32);
    let config = Conv2dConfig { groups: 2, ..Default::default() };
    let error = Conv2d::new(3, 4, (1, 1), config, vb.pp("stem")).unwrap_err().to_string();
    assert!(
        error.contains("convolution `stem`: 2 groups do not divide 3 input and 4 output channels"),
        "{error}"
    );
}

#[test]
fn first_values_are_those_of_pytorch_unless_the_config_says_keras() {
    let largest = |tensor: &Tensor| tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    let (_map, vb) = vb(DType::F64);
    let conv = Conv2d::new(8, 16, (3, 3), Conv2dConfig::default(), vb.pp("a")).unwrap();
    let bound = 1.0 / 72f64.sqrt();
    for tensor in [&conv.weight, conv.bias.as_ref().unwrap()] {
        let largest = largest(tensor).to_scalar::<f64>().unwrap();
        assert!(largest <= bound && largest > 0.7 * bound, "{largest} of {bound}");
    }
    let linear = Linear::new(64, 32, LinearConfig::keras(), vb.pp("b")).unwrap();
    let bound = (6.0f64 / 96.0).sqrt();
    let largest_weight = largest(&linear.weight).to_scalar::<f64>().unwrap();
    assert!(largest_weight <= bound && largest_weight > 0.9 * bound, "{largest_weight} of {bound}");
    assert_eq!(largest(linear.bias.as_ref().unwrap()).to_scalar::<f64>().unwrap(), 0.0);
    let other = LinearConfig { weight_init: Initializer::Constant(3.0), ..Default::default() };
    let linear = Linear::new(2, 2, other, vb.pp("c")).unwrap();
    assert_eq!(linear.weight.to_vec2::<f64>().unwrap(), [[3.0, 3.0], [3.0, 3.0]]);
}

#[test]
fn a_frozen_batch_norm_uses_and_keeps_its_stored_statistics() {
    let weights =
        Weights::new(WeightsConfig { freeze: vec!["bn.*".into()], ..Default::default() }).unwrap();
    let norm = BatchNorm::new(
        2,
        BatchNormConfig::default(),
        weights.var_builder(DType::F32, &Device::Cpu).pp("bn"),
    )
    .unwrap();
    let (params, _) = weights.finish().unwrap();
    assert!(norm.frozen);
    params
        .get("bn.running_mean")
        .unwrap()
        .var
        .set(&Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap())
        .unwrap();

    let x = Tensor::new(&[[1f32, 2.0], [2.0, 4.0]], &Device::Cpu).unwrap();
    let trained = norm.forward_t(&x, true).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(trained, norm.forward_t(&x, false).unwrap().to_vec2::<f32>().unwrap());
    let scale = 1.0 / (1.0f32 + 1e-5).sqrt();
    assert!(
        (trained[1][0] - scale).abs() < 1e-6 && (trained[1][1] - 2.0 * scale).abs() < 1e-6,
        "{trained:?}"
    );
    assert_eq!(norm.running_mean.to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_batch_norm_shares_its_running_statistics_with_the_parameters() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F64, &Device::Cpu);
    let norm = BatchNorm::new(1, BatchNormConfig::default(), vb.pp("bn")).unwrap();
    let (params, _) = weights.finish().unwrap();
    assert!(!norm.frozen);
    norm.forward_t(&Tensor::new(&[[1f64], [3.0]], &Device::Cpu).unwrap(), true).unwrap();
    let buffer = |name: &str| {
        let param = params.get(name).unwrap();
        assert_eq!(param.kind, ParamKind::Buffer);
        param.var.to_vec1::<f64>().unwrap()[0]
    };
    // Mean 2; unbiased variance 2; momentum 0.1 from 0 and 1.
    assert!((buffer("bn.running_mean") - 0.2).abs() < 1e-12);
    assert!((buffer("bn.running_var") - 1.1).abs() < 1e-12);
}

#[test]
fn training_a_batch_norm_on_one_value_a_channel_is_an_error() {
    let (_map, vb) = vb(DType::F32);
    let norm = BatchNorm::new(2, BatchNormConfig::default(), vb.pp("bn1")).unwrap();
    let x = Tensor::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
    let error = norm.forward_t(&x, true).unwrap_err().to_string();
    assert!(
        error.contains("batch-norm `bn1`: training needs more than one value a channel"),
        "{error}"
    );
    assert!(norm.forward_t(&x, false).is_ok());
}

#[test]
fn dropout_zeroes_about_its_rate_and_keeps_the_mean() {
    let (_map, vb) = vb(DType::F32);
    let dropout = Dropout::new(0.25, &RngKey::new(1), vb.pp("dropout")).unwrap();
    let x = Tensor::ones(100_000, DType::F32, &Device::Cpu).unwrap();
    let y = dropout.forward_t(&x, true).unwrap().to_vec1::<f32>().unwrap();
    let zeros = y.iter().filter(|&&y| y == 0.0).count() as f64;
    // Five standard deviations of a binomial: 5 sqrt(100000 * 0.25 * 0.75) = 685.
    assert!((zeros - 25_000.0).abs() < 685.0, "{zeros}");
    assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
}

#[test]
fn dropouts_of_one_net_and_calls_of_one_step_draw_masks_of_their_own() {
    let (_map, vb) = vb(DType::F32);
    let key = RngKey::new(1);
    let first = Dropout::new(0.5, &key, vb.pp("dropout1")).unwrap();
    let second = Dropout::new(0.5, &key, vb.pp("dropout2")).unwrap();
    let x = Tensor::ones(256, DType::F32, &Device::Cpu).unwrap();
    let mask = |dropout: &Dropout| dropout.forward_t(&x, true).unwrap().to_vec1::<f32>().unwrap();
    let masks = [mask(&first), mask(&first), mask(&second)];
    assert!(masks[0] != masks[1] && masks[0] != masks[2] && masks[1] != masks[2]);
}

#[test]
fn a_dropout_rate_outside_zero_to_one_is_an_error() {
    let (_map, vb) = vb(DType::F32);
    for rate in [-0.1, 1.0, f64::NAN] {
        let error = Dropout::new(rate, &RngKey::new(1), vb.pp("dropout1")).unwrap_err().to_string();
        assert!(
            error.contains("dropout `dropout1`: the rate must be at least 0 and below 1"),
            "{error}"
        );
    }
}

#[test]
fn a_residual_block_whose_paths_differ_in_shape_is_an_error() {
    let x = Tensor::zeros((1, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let error = Residual::new(MaxPool2d::new(2)).forward_t(&x, false).unwrap_err().to_string();
    assert!(
        error.contains("the main path gives shape [1, 1, 2, 2], the shortcut [1, 1, 4, 4]"),
        "{error}"
    );
}

#[test]
fn flatten_keeps_the_order_channel_row_column() {
    let x = Tensor::arange(0f32, 8.0, &Device::Cpu).unwrap().reshape((1, 2, 2, 2)).unwrap();
    let y = Flatten.forward(&x).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(y, [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]);
}

#[test]
fn an_adapter_s_dropout_is_told_of_training_in_any_container() {
    let lora = LoraConfig { rank: 2, dropout: 0.5, ..LoraConfig::default() };
    let adapters = Some(Adapters { lora, head: String::new(), key: RngKey::new(3) });
    let weights = Weights::new(WeightsConfig { adapters, ..WeightsConfig::default() }).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = Sequential::new()
        .add(Linear::new(6, 4, LinearConfig::default(), vb.pp("a")).unwrap())
        .add(Residual::new(MlpBlock::new(4, 5, LinearConfig::default(), vb.pp("b")).unwrap()));
    let (params, _) = weights.finish().unwrap();
    for (name, param) in params.iter().filter(|(name, _)| name.ends_with("lora_B.weight")) {
        assert_eq!(param.kind, ParamKind::Trainable, "{name}");
        param.var.set(&param.var.ones_like().unwrap()).unwrap();
    }
    let x = Tensor::ones((3, 6), DType::F32, &Device::Cpu).unwrap();
    let y = |train| net.forward_t(&x, train).unwrap().flatten_all().unwrap();
    let y = |train| y(train).to_vec1::<f32>().unwrap();
    assert_eq!(y(false), y(false));
    let first = y(true);
    assert_ne!(first, y(false));
    assert_ne!(first, y(true));
}

#[test]
fn a_convolution_with_relu_and_pool_at_once_equals_the_three_layers_in_a_row() {
    let (_, vb) = vb(DType::F32);
    let conv = Conv2d::new(3, 8, (3, 3), Conv2dConfig::default(), vb).unwrap();
    let pool = MaxPool2d::new(2);
    let x = Tensor::rand(-1f32, 1.0, (2, 3, 14, 14), &Device::Cpu).unwrap();
    let at_once = conv.forward_relu(&x, Some(&pool), true).unwrap();
    let in_a_row =
        pool.forward(&Relu.forward(&conv.forward_t(&x, true).unwrap()).unwrap()).unwrap();
    let difference = (at_once - in_a_row).unwrap().abs().unwrap().max_all().unwrap();
    // The order of summation may differ, in f32.
    assert!(difference.to_scalar::<f32>().unwrap() < 1e-5, "{difference}");
}

#[test]
fn a_zero_pad_shortcut_to_fewer_channels_is_an_error() {
    let x = Tensor::zeros((1, 3, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let error = ZeroPadShortcut { stride: 2, channels: 2 }.forward(&x).unwrap_err().to_string();
    assert!(error.contains("3 channels can't become 2 by adding zeros"), "{error}");
}

#[test]
fn a_transformer_s_layers_keep_the_promises_of_a_layer() {
    let check = check_layer(|vb, _| PatchEmbed::new(2, 2, 3, vb), &[2, 2, 5, 4], &[2, 4, 3]);
    assert_eq!(check.unwrap().parameters, ["proj.bias", "proj.weight"]);
    let check = check_layer(|vb, _| TokenEmbed::new(3, 4, vb), &[2, 3, 4], &[2, 4, 4]);
    assert_eq!(check.unwrap().parameters, ["cls_token", "pos_embed"]);
    for (tokens, names) in [
        (Some(3), &["cls_token", "pos_embed", "reg_token"][..]),
        (None, &["cls_token", "reg_token"]),
    ] {
        let build = |vb: ParamBuilder<'_>, _: &RngKey| TokenEmbed::with_registers(tokens, 2, 4, vb);
        assert_eq!(check_layer(build, &[2, 3, 4], &[2, 6, 4]).unwrap().parameters, names);
    }
    let dense = LinearConfig::default;
    let check = check_layer(|vb, _| Attention::new(6, 2, dense(), vb), &[2, 3, 6], &[2, 3, 6]);
    let names = ["proj.bias", "proj.weight", "qkv.bias", "qkv.weight"];
    assert_eq!(check.unwrap().parameters, names);
    let rotated = |vb: ParamBuilder<'_>, _: &RngKey| {
        let rotary = Rotary::new((2, 1), 1, 4, 100.0, vb.dtype(), vb.device())?;
        let qkv = LinearConfig { bias: false, ..dense() };
        Attention::rotated(8, 2, [qkv, dense()], Some(rotary), vb)
    };
    let check = check_layer(rotated, &[2, 3, 8], &[2, 3, 8]);
    assert_eq!(check.unwrap().parameters, ["proj.bias", "proj.weight", "qkv.weight"]);
    let check = check_layer(|vb, _| MlpBlock::new(3, 5, dense(), vb), &[2, 2, 3], &[2, 2, 3]);
    assert_eq!(check.unwrap().parameters, ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]);
    let check = check_layer(|vb, _| LayerScale::new(3, 0.5, vb), &[2, 2, 3], &[2, 2, 3]);
    assert_eq!(check.unwrap().parameters, ["gamma"]);
}

#[test]
fn heads_that_do_not_divide_the_features_are_an_error() {
    let (_map, vb) = vb(DType::F32);
    let error = Attention::new(10, 3, LinearConfig::default(), vb.pp("attn")).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("attention `attn`: 3 heads do not divide 10 features"), "{error}");
}

#[test]
fn an_image_of_another_size_than_the_position_embeddings_is_an_error() {
    let (_map, vb) = vb(DType::F32);
    let embed = TokenEmbed::new(4, 2, vb).unwrap();
    let x = Tensor::zeros((1, 6, 2), DType::F32, &Device::Cpu).unwrap();
    let error = embed.forward(&x).unwrap_err().to_string();
    assert!(error.contains("position embeddings for 4 tokens, found 6"), "{error}");
}
