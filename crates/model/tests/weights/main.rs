//! Weights from files of all sorts, good and bad, to parameters and back.

mod adapting;
mod files;
mod initializing;
mod keras;
mod loading;
mod prefixes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarMap};
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use taper_model::ParamBuilder;
use taper_model::init::Initializer;
use taper_model::nets::{self, NetConfig};
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{
    Flatten, HeadClasses, KeyMap, Layout, LoadReport, TensorFile, Weights, WeightsConfig,
    WeightsError, save, save_as, to_bytes,
};

const CPU: Device = Device::Cpu;

/// Values 0, 1, 2, … in `shape`.
fn counting(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>() as u32;
    Tensor::arange(0, n, &CPU).unwrap().to_dtype(DType::F32).unwrap().reshape(shape).unwrap()
}

fn file_of(tensors: &[(&str, Tensor)]) -> TensorFile {
    let tensors = tensors.iter().map(|(name, tensor)| (name.to_string(), tensor.clone()));
    TensorFile::from_tensors(tensors.collect(), "a.safetensors").unwrap()
}

fn two_layers() -> TensorFile {
    file_of(&[
        ("fc1.weight", counting(&[4, 3])),
        ("fc1.bias", counting(&[4])),
        ("fc2.weight", counting(&[2, 4])),
        ("fc2.bias", counting(&[2])),
    ])
}

/// Builds the two layers, with `classes` classes, in plain candle.
fn build(config: WeightsConfig, classes: usize) -> Result<(Params, LoadReport), WeightsError> {
    let weights = Weights::new(config)?;
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::linear(3, 4, vb.pp("fc1"))?;
    candle_nn::linear(4, classes, vb.pp("fc2"))?;
    weights.finish()
}

fn from(source: TensorFile) -> WeightsConfig {
    WeightsConfig { source: Some(source), ..WeightsConfig::default() }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn value(params: &Params, name: &str) -> Vec<f32> {
    flat(params.get(name).unwrap().var.as_tensor())
}

fn text(result: Result<(Params, LoadReport), WeightsError>) -> String {
    result.unwrap_err().to_string()
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| item.to_string()).collect()
}
