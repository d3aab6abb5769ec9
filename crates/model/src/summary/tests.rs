use candle_core::{DType, Device, Module, Tensor};

use super::*;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{BatchNorm, Linear, Relu, Sequential};
use crate::nets;
use crate::rng::RngKey;
use crate::weights::{Weights, WeightsConfig};

/// A layer that says nothing of itself.
struct Quiet {
    weight: Tensor,
}

impl Module for Quiet {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.weight)
    }
}

fn net(vb: ParamBuilder<'_>) -> Result<Sequential> {
    Ok(Sequential::new()
        .add(Linear::new(4, 3, Default::default(), vb.pp("a"))?)
        .add(BatchNorm::new(3, Default::default(), vb.pp("b"))?)
        .add(Quiet { weight: vb.pp("c").get(3, "weight", Initializer::Zeros)? })
        .add(Relu))
}

fn summary() -> Summary {
    let weights =
        Weights::new(WeightsConfig { freeze: vec!["a.*".into()], ..Default::default() }).unwrap();
    let net = net(weights.var_builder(DType::F64, &Device::Cpu)).unwrap();
    let (params, _) = weights.finish().unwrap();
    summarize(&net, &params, &[4], &Device::Cpu).unwrap()
}

#[test]
fn every_parameter_is_counted_once_by_what_may_change_it() {
    let summary = summary();
    assert_eq!(summary.total, Totals { trainable: 9, frozen: 15, buffers: 6, multiply_adds: 15 });
    let rows: Vec<(&str, &str)> =
        summary.rows.iter().map(|row| (row.name.as_str(), row.kind)).collect();
    assert_eq!(rows, [("a", "Linear"), ("b", "BatchNorm"), ("", "Relu"), ("c", "?")]);
    assert_eq!(summary.rows[0].output.as_deref(), Some(&[3][..]));
}

#[test]
fn the_table_has_a_line_for_each_layer_and_one_for_the_total() {
    let expected = "\
input 4
layer  type       output  trainable  frozen  buffers  multiply-adds
-------------------------------------------------------------------
a      Linear     3               0      15        0             12
b      BatchNorm  3               6       0        6              3
       Relu       3               0       0        0              0
c      ?          ?               3       0        0              0
-------------------------------------------------------------------
total                             9      15        6             15
";
    assert_eq!(summary().to_string(), expected);
}

#[test]
fn keras_cnn_does_the_multiply_adds_that_its_shapes_say() {
    let info = nets::find("keras-cnn").unwrap();
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(&info.config(), vb, &RngKey::new(0)).unwrap();
    let (params, _) = weights.finish().unwrap();
    let summary = summarize(&net, &params, &[1, 28, 28], &Device::Cpu).unwrap();
    let by_name = |name: &str| summary.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(by_name("conv1").counts.multiply_adds, 26 * 26 * 32 * 9);
    assert_eq!(by_name("conv2").counts.multiply_adds, 24 * 24 * 64 * 32 * 9);
    assert_eq!(by_name("fc1").counts.multiply_adds, 9216 * 128);
    assert_eq!(summary.total.trainable, 1_199_882);
    assert!(summary.to_string().contains("1,199,882"));
}

#[test]
fn nothing_is_recorded_once_the_summary_is_made() {
    summary();
    let x = Tensor::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
    record("Test", "", &x, |_| panic!("nobody listens"));
}

#[test]
fn an_input_that_does_not_fit_is_an_error_and_stops_the_recording() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let net = net(weights.var_builder(DType::F64, &Device::Cpu)).unwrap();
    let (params, _) = weights.finish().unwrap();
    assert!(summarize(&net, &params, &[5], &Device::Cpu).is_err());
    let x = Tensor::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
    record("Test", "", &x, |_| panic!("nobody listens"));
}
