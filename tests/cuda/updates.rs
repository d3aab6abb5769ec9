//! Optimizers, clipping and averages: the same updates, and a state that moves between devices.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_optimizer::{
    Average, AverageConfig, BoxedRule, Optimizer, ParamGroup, Rule, TakeRule, clip, presets,
};

use crate::{assert_close, gpu, normal};

const SHAPES: [(&str, &[usize]); 3] = [("weight", &[5, 7]), ("bias", &[7]), ("scale", &[1])];

/// Variables, their optimizer and an average of them.
struct Trial {
    vars: Vec<(String, Var)>,
    optimizer: Optimizer,
    average: Average,
}

impl Trial {
    fn new(rule: &BoxedRule, device: &Device) -> Self {
        let var = |(seed, (name, shape)): (usize, (&str, &[usize]))| {
            let values = normal(seed as u64, shape).to_dtype(DType::F32).unwrap();
            (name.to_string(), Var::from_tensor(&values.to_device(device).unwrap()).unwrap())
        };
        let vars: Vec<_> = SHAPES.into_iter().enumerate().map(var).collect();
        let slow = ParamGroup {
            parameters: vec!["bias".into()],
            learning_rate_scale: 0.5,
            ..ParamGroup::new("slow")
        };
        let optimizer = Optimizer::new(vars.clone(), rule.clone(), &[slow]).unwrap();
        let ema = AverageConfig::Ema { decay: 0.9, warmup: true };
        let average = Average::new(vars.clone(), ema).unwrap();
        Self { vars, optimizer, average }
    }

    /// One step; every third leaves out the bias.
    fn step(&mut self, step: u64) {
        let device = self.vars[0].1.device().clone();
        let mut grads = Var::new(1f32, &device).unwrap().sqr().unwrap().backward().unwrap();
        for (i, (name, var)) in self.vars.iter().enumerate() {
            if name == "bias" && step % 3 == 2 {
                continue;
            }
            let gradient = normal(100 * step + i as u64, var.dims()).to_dtype(DType::F32).unwrap();
            grads.insert(var, gradient.to_device(&device).unwrap());
        }
        clip::clip_by_value(&mut grads, self.optimizer.vars(), 1.5).unwrap();
        clip::clip_by_norm(&mut grads, self.optimizer.vars(), 3.0).unwrap();
        self.optimizer.step(&grads, 0.01).unwrap();
        self.average.update(step, 10).unwrap();
    }

    /// Weights and all state, on the CPU.
    fn everything(&self) -> BTreeMap<String, Tensor> {
        let mut all = self.optimizer.state().unwrap();
        all.extend(self.average.state().unwrap());
        for (name, var) in &self.vars {
            all.insert(name.clone(), var.as_detached_tensor().to_device(&Device::Cpu).unwrap());
        }
        all
    }

    /// Goes on on another device.
    fn moved(&self, rule: &BoxedRule, device: &Device) -> Self {
        let mut other = Self::new(rule, device);
        for ((_, to), (_, from)) in other.vars.iter().zip(&self.vars) {
            to.set(&from.as_detached_tensor().to_device(device).unwrap()).unwrap();
        }
        other.optimizer.load_state(&self.optimizer.state().unwrap()).unwrap();
        other.average.load_state(&self.average.state().unwrap()).unwrap();
        other
    }
}

fn assert_alike(what: &str, found: &Trial, expected: &Trial) {
    let (found, expected) = (found.everything(), expected.everything());
    assert!(found.keys().eq(expected.keys()), "{what}");
    for (name, expected) in &expected {
        // Ten steps in f32, which rounds at 6e-8.
        assert_close(&format!("{what}: {name}"), &found[name], expected, 1e-5);
    }
}

/// Every preset.
struct All(Vec<(String, BoxedRule)>);

impl TakeRule for All {
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
        self.0.push((name.to_string(), rule.into()));
    }
}

#[test]
fn every_rule_updates_as_on_the_cpu_and_its_state_moves() {
    let mut all = All(Vec::new());
    presets(&mut all);
    for (name, rule) in all.0 {
        let mut here = Trial::new(&rule, &Device::Cpu);
        let mut there = Trial::new(&rule, &gpu());
        for step in 0..5 {
            here.step(step);
            there.step(step);
        }
        assert_alike(&name, &there, &here);
        let (mut to_cpu, mut to_gpu) =
            (there.moved(&rule, &Device::Cpu), here.moved(&rule, &gpu()));
        for step in 5..10 {
            for trial in [&mut here, &mut there, &mut to_cpu, &mut to_gpu] {
                trial.step(step);
            }
        }
        for (what, trial) in [("there", &there), ("to the CPU", &to_cpu), ("to the GPU", &to_gpu)] {
            assert_alike(&format!("{name}, {what}"), trial, &here);
        }
    }
}

#[test]
fn the_norm_of_gradients_is_that_of_the_cpu() {
    let device = gpu();
    let var = Var::zeros(40_001, DType::F32, &device).unwrap();
    let gradient = normal(1, &[40_001]).to_dtype(DType::F32).unwrap();
    let expected = crate::numbers(&gradient).iter().map(|g| g * g).sum::<f64>().sqrt();
    let mut grads = var.sum_all().unwrap().backward().unwrap();
    grads.insert(&var, gradient.to_device(&device).unwrap());
    let found = clip::global_norm(&grads, [&var]).unwrap();
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} for {expected}");
}
